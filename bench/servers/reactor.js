// The echo server on our reactor: reactor.js [--poller epoll|poll|select] [--trigger level|edge] [--flush now|turn]

import { parseArgs } from 'node:util';
import { Reactor, listen } from '../../dist/index.js';

const { values } = parseArgs({
  options: { poller: { type: 'string' }, trigger: { type: 'string' }, flush: { type: 'string' } },
});
const trigger = values.trigger === undefined ? {} : { trigger: values.trigger };

const reactor = new Reactor({ poller: values.poller ?? 'epoll' });
const listener = listen(
  reactor,
  { host: '127.0.0.1', port: 0, backlog: 4096, noDelay: true, flush: values.flush ?? 'now', ...trigger },
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
