// The echo server over completions: uring.js [--multishot no] [--deferred no] [--dist FOLDER]: without either; from
// another build of the library

import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    multishot: { type: 'string' },
    deferred: { type: 'string' },
    buffers: { type: 'string' },
    dist: { type: 'string' },
  },
});
const dist = values.dist ?? fileURLToPath(new URL('../../dist', import.meta.url));
const { openProactor, listenOn } = await import(pathToFileURL(`${dist}/uring/index.js`).href);

const proactor = openProactor({
  multishot: values.multishot !== 'no',
  deferred: values.deferred !== 'no',
  ...(values.buffers !== undefined && { buffers: Number(values.buffers) }),
});
const listener = listenOn(
  proactor,
  { host: '127.0.0.1', port: 0, backlog: 4096, noDelay: true },
  {
    data(connection, buffer, start, end) {
      connection.write(buffer, start, end);
    },
  },
);
console.log(`PORT ${listener.address.port}`);
process.stdin
  .on('end', () => {
    proactor.reactor.close();
    process.exit(0);
  })
  .resume();
await proactor.reactor.run();
