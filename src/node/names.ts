// Addresses as node:net tells them.

import type { InternetAddress } from '../kernel/kernel.js';

export const familyNames = { 4: 'IPv4', 6: 'IPv6' } as const;
export interface AddressInfo {
  address: string;
  family: string;
  port: number;
}

export function describeAddress(address: InternetAddress): AddressInfo {
  return { address: address.host, family: familyNames[address.family], port: address.port };
}
