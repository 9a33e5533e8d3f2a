// Whether this machine has the IPv6 loopback: containers often have none.

import { networkInterfaces } from 'node:os';

export const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((one) => one?.address === '::1');
