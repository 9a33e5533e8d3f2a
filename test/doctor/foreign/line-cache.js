import { readFileSync } from 'node:fs';
import net from 'node:net';
import { Reactor, listen } from 'underloop';

class Cache {
  #entries = new Map();
  commands = 0;

  set(key, value) {
    this.#entries.set(key, value);
    return 'STORED';
  }
  get(key) {
    return this.#entries.get(key) ?? 'NOT_FOUND';
  }
  keys(glob) {
    const pattern = new RegExp(`^${glob.replaceAll('*', '(\\w+\\.?)+')}$`);
    return [...this.#entries.keys()].filter((key) => pattern.test(key)).join(' ');
  }
  execute(line) {
    this.commands++;
    const [verb, ...words] = line.split(' ');
    if (verb === 'set') return this.set(words[0], words.slice(1).join(' '));
    if (verb === 'get') return this.get(words[0]);
    if (verb === 'keys') return this.keys(words[0]);
    return 'ERROR';
  }
}

const cache = new Cache();
const reactor = new Reactor({ poller: 'poll' });
let worst = { wallMs: 0, cpuMs: 0, delayMs: 0 };

function clocks() {
  const [cpu, delay] = readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ');
  return { wallMs: performance.now(), cpuMs: Number(cpu) / 1e6, delayMs: Number(delay) / 1e6 };
}

function between(before, after) {
  return Object.fromEntries(Object.keys(before).map((key) => [key, after[key] - before[key]]));
}

const server = listen(
  reactor,
  {},
  {
    open(client) {
      client.context = '';
    },
    data: function onCommand(client, buffer, start, end) {
      client.context += Buffer.from(buffer.subarray(start, end)).toString();
      const lines = client.context.split('\r\n');
      client.context = lines.pop();
      const before = clocks();
      client.write(lines.map((line) => `${cache.execute(line)}\r\n`).join(''));
      const taken = between(before, clocks());
      if (taken.cpuMs > worst.cpuMs) worst = taken;
    },
  },
);

const { port } = server.address;
const writer = net.connect(port, '127.0.0.1');
const browser = net.connect(port, '127.0.0.1');
for (const socket of [writer, browser]) socket.resume();

let number = 0;
const writing = setInterval(() => {
  number++;
  writer.write(`set user.${number}.name somebody\r\nget user.${number}.name\r\n`);
}, 10);

setTimeout(() => writer.write(`set ${'abcdefgh'.repeat(3)}ab! x\r\n`), 150);
const looks = [500, 1100].map((ms) => setTimeout(() => browser.write('keys *\r\n'), ms));

setTimeout(() => {
  clearInterval(writing);
  for (const look of looks) clearTimeout(look);
  writer.destroy();
  browser.destroy();
  const evidence = { worst, commands: cache.commands };
  console.log(JSON.stringify({ fault: worst.cpuMs >= 110, evidence }));
  server.close();
  reactor.close();
}, 2200);

await reactor.run();
