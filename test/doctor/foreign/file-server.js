import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Reactor, connect, listen } from 'underloop';

const folder = mkdtempSync(join(tmpdir(), 'share-'));
for (const name of ['readme', 'report', 'photo']) writeFileSync(join(folder, name), name.repeat(5000));

const reactor = new Reactor();
const calls = [];

function clocks() {
  const [cpu, delay] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return { wall: performance.now(), cpu: Number(cpu) / 1e6, delay: Number(delay) / 1e6 };
}

const verbs = {
  LIST: () => 'readme report photo',
  GET: (name) => readFileSync(join(folder, name)),
  SCAN(name) {
    const before = clocks();
    const script = 'sleep 0.28; cksum < "$0"';
    const { stdout } = spawnSync('sh', ['-c', script, join(folder, name)]);
    const after = clocks();
    const wallMs = after.wall - before.wall;
    const delayMs = after.delay - before.delay;
    calls.push({ wallMs, delayMs, asleepMs: wallMs - delayMs - (after.cpu - before.cpu) });
    return stdout;
  },
};

class Protocol {
  served = 0;

  open(connection) {
    connection.context = { line: '' };
  }
  data(connection, buffer, start, end) {
    const { context } = connection;
    context.line += Buffer.from(buffer.subarray(start, end)).toString();
    if (!context.line.endsWith('\n')) return;
    const [verb, name] = context.line.trim().split(' ');
    context.line = '';
    connection.write(verbs[verb](name));
    this.served++;
  }
}
const protocol = new Protocol();
const path = join(folder, 'socket');
const share = listen(reactor, { path }, protocol);

let bytes = 0;
const reader = connect(
  reactor,
  { path },
  { data: (connection, buffer, start, end) => (bytes += end - start) },
);
const scanner = connect(reactor, { path }, {});
let turn = 0;
function fetchNext() {
  reader.write(['LIST\n', 'GET readme\n', 'GET photo\n'][turn++ % 3]);
  reactor.setTimer(50, fetchNext);
}
reactor.setTimer(50, fetchNext);
reactor.setTimer(600, () => scanner.write('SCAN report\n'));
reactor.setTimer(1400, () => scanner.write('SCAN photo\n'));

reactor.setTimer(2300, () => {
  reader.close();
  scanner.close();
  share.close();
  rmSync(folder, { recursive: true });
  const longest = calls.sort((a, b) => b.asleepMs - a.asleepMs)[0] ?? { asleepMs: 0, wallMs: 0, delayMs: 0 };
  const evidence = { served: protocol.served, bytes, worst: longest };
  console.log(JSON.stringify({ fault: longest.asleepMs >= 110, evidence }));
  reactor.close();
});
await reactor.run();
