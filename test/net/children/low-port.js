// Listens on a privileged port without the privilege, and prints what that throws.

import { Reactor, listen } from '../../../dist/index.js';

const reactor = new Reactor();
if (process.getuid() === 0) {
  process.setgid(65534);
  process.setuid(65534);
}
try {
  listen(reactor, { port: 1 }, {});
  console.log('{}');
} catch ({ name, code, syscall, address, port, message }) {
  console.log(JSON.stringify({ name, code, syscall, address, port, message }));
}
reactor.close();
