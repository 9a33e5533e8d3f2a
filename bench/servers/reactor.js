// The echo server on our reactor: reactor.js [--poller epoll|poll|select] [--trigger level|edge] [--flush now|turn]
// [--deferred]: accepts what has sent something; [--trace ring|FILE] [--dist FOLDER]: recorded; from another build of the library

import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    poller: { type: 'string' },
    trigger: { type: 'string' },
    flush: { type: 'string' },
    deferred: { type: 'boolean' },
    trace: { type: 'string' },
    dist: { type: 'string' },
  },
});
const trigger = values.trigger === undefined ? {} : { trigger: values.trigger };
const deferred = values.deferred === true ? { deferAcceptS: 5 } : {};

const dist = values.dist ?? fileURLToPath(new URL('../../dist', import.meta.url));
const load = (name) => import(pathToFileURL(`${dist}/${name}`).href);
const { Reactor, listen } = await load('index.js');
async function recorder() {
  const { Recorder } = await load('trace/index.js');
  return { observer: values.trace === 'ring' ? new Recorder() : Recorder.toFile(values.trace) };
}
const observed = values.trace === undefined ? {} : await recorder();

const reactor = new Reactor({ poller: values.poller ?? 'epoll', ...observed });
const listener = listen(
  reactor,
  {
    host: '127.0.0.1',
    port: 0,
    backlog: 4096,
    noDelay: true,
    flush: values.flush ?? 'now',
    ...trigger,
    ...deferred,
  },
  {
    data(connection, buffer, start, end) {
      connection.write(buffer, start, end);
    },
  },
);
console.log(`PORT ${listener.address.port}`);
process.stdin
  .on('end', () => {
    listener.close();
    reactor.stop();
    process.exit(0);
  })
  .resume();
await reactor.run();
