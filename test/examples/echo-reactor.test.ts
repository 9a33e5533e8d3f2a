// The front door: examples/echo-reactor.js as its user meets it, run as a process of its own.

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { READABLE, Reactor, descriptors, nativeKernel } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = path.join(root, 'examples/echo-reactor.js');
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A line of --json: `event`, and the fields of that event. */
interface Told {
  event: string;
  turn: number;
  timeoutMs: number | 'Infinity';
  reason: string;
  events: number;
  change: string;
  fd: number;
  name: string;
  result: number;
  error: string;
  accepted: number;
  bytesReceived: number;
  bytesSent: number;
  turns: number;
  waits: number;
  calls: Record<string, number>;
  clients: object;
}

/** One run of the example, with what it has printed so far. */
class Example {
  readonly child: ChildProcess;
  stdout = '';
  stderr = '';
  /** Exit code, or the name of the signal that ended it, once its output is complete. */
  readonly ended: Promise<number | NodeJS.Signals>;

  constructor(args: string[], { file = program, stdio = 'pipe' as StdioOptions, env = {} } = {}) {
    // Each of them changes what a terminal is given, CI too (tty.WriteStream.getColorDepth).
    const {
      NO_COLOR: _no,
      FORCE_COLOR: _force,
      NODE_DISABLE_COLORS: _disable,
      CI: _ci,
      ...ours
    } = process.env;
    this.child = spawn(process.execPath, [file, ...args], { stdio, env: { ...ours, ...env } });
    const { child } = this;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal!)));
    cleanups.push(() => child.exitCode === null && child.signalCode === null && child.kill('SIGKILL'));
  }

  /** Resolves to the first match of `pattern` in the output, as soon as it is there; fails when the process ends first. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    let over = false;
    void this.ended.then(() => (over = true));
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match !== null) return match;
      if (over) throw new Error(`ended without printing ${String(pattern)}:\n${this.stdout}${this.stderr}`);
      await Promise.race([once(this.child.stdout!, 'data'), this.ended]);
    }
  }
  async port(): Promise<number> {
    return Number((await this.printed(/nc \S+ (\d+)\n/))[1]);
  }
  async interrupt(signal: NodeJS.Signals = 'SIGINT'): Promise<number | NodeJS.Signals> {
    this.child.kill(signal);
    return this.ended;
  }
  /** The output of a --json run. */
  get events(): Told[] {
    const lines = this.stdout.trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Told);
  }
}

/** A client as nc is one, on node:net. */
async function client(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}
/** Sends `bytes` and resolves to as many bytes as were sent. */
async function echo(socket: Socket, bytes: Buffer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  const all = new Promise<void>((resolve, reject) => {
    const collect = (chunk: Buffer): void => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < bytes.length) return;
      socket.off('data', collect).off('close', reject);
      resolve();
    };
    socket.on('data', collect).on('close', reject);
  });
  socket.write(bytes);
  await all;
  return Buffer.concat(chunks);
}
async function end(socket: Socket): Promise<void> {
  socket.end();
  await once(socket, 'close');
}
async function isListening(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  return new Promise((resolve) => {
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    cleanups.push(() => socket.destroy());
  });
}
function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
}

describe('the command line', () => {
  test('--help names every option and shows examples', async () => {
    const example = new Example(['--help']);
    expect(await example.ended).toBe(0);
    for (const option of 'port host poller trigger clients quiet json no-color help'.split(' ')) {
      expect(example.stdout).toContain(`--${option}`);
    }
    expect(example.stdout).toContain('nc 127.0.0.1 7007');
    expect(example.stderr).toBe('');
  });

  test.each([
    ['--port', '65536'],
    ['--port', '-1'],
    ['--port', '80x'],
    ['--clients', '1.5'],
    ['--clients', '1001'],
    ['--poller', 'iocp'],
    ['--trigger', 'oneshot'],
    ['--host', ''],
  ])('a wrong value is refused with option and value: %s %j', async (option, value) => {
    const example = new Example([option, value]);
    expect(await example.ended).toBe(2);
    expect(example.stderr).toMatch(new RegExp(`^echo-reactor: ${option} .*'${value}'`));
    expect(example.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(example.stdout).toBe('');
  });

  test.each([
    ['--loud', '--loud'],
    ['stray', "'stray'"],
    ['--quiet=yes', "--quiet takes no value; got 'yes'"],
    ['--port', '--port needs a value'],
  ])('what is no option of its own is refused: %s', async (argument, complaint) => {
    const example = new Example([argument]);
    expect(await example.ended).toBe(2);
    expect(example.stderr).toContain(complaint);
  });

  test('a trigger that the poller has not is refused as a wrong option', async () => {
    const example = new Example(['--poller', 'poll', '--trigger', 'edge', '--port', '0']);
    expect(await example.ended).toBe(2);
    expect(example.stderr).toMatch(/^echo-reactor: --trigger 'edge' .*poll/);
  });

  test('a port in use ends it with 1 and says which port and what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    cleanups.push(() => other.close());
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const example = new Example(['--port', String(port)]);
    expect(await example.ended).toBe(1);
    expect(example.stderr).toContain(`port ${port} of 127.0.0.1 is in use`);
    expect(example.stderr).toContain('--port 0');
  });
});

describe('what is missing is named with its remedy', () => {
  function copyOfExamples(): string {
    const directory = fs.mkdtempSync(path.join(tmpdir(), 'underloop-example-'));
    cleanups.push(() => fs.rmSync(directory, { recursive: true }));
    fs.cpSync(path.join(root, 'examples'), path.join(directory, 'examples'), { recursive: true });
    fs.copyFileSync(path.join(root, 'package.json'), path.join(directory, 'package.json'));
    return directory;
  }

  test('no compiled TypeScript: npm install', async () => {
    const directory = copyOfExamples();
    const example = new Example([], { file: path.join(directory, 'examples/echo-reactor.js') });
    expect(await example.ended).toBe(1);
    expect(example.stderr).toMatch(/^echo-reactor: .*npm install/);
    expect(example.stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('no addon: npm run build:native', async () => {
    const directory = copyOfExamples();
    fs.cpSync(path.join(root, 'dist'), path.join(directory, 'dist'), { recursive: true });
    fs.symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
    const example = new Example([], { file: path.join(directory, 'examples/echo-reactor.js') });
    expect(await example.ended).toBe(1);
    expect(example.stderr).toMatch(/^echo-reactor: .*npm run build:native/);
    expect(example.stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('the narration', () => {
  test('tells the calls that served a client, with their real descriptors, bytes and results', async () => {
    const example = new Example(['--port', '0']);
    const socket = await client(await example.port());
    expect(String(await echo(socket, Buffer.from('hello\n')))).toBe('hello\n');
    await end(socket);
    await example.printed(/runs the close callback/);
    expect(await example.interrupt()).toBe(0);

    const fd = /accept\(fd \d+\) → fd (\d+): connection 1\n/.exec(example.stdout)![1]!;
    const story = [
      `fd ${fd} (connection 1) added to the interest set: readable (4 in the set)`,
      '→ EAGAIN: nobody else is waiting to be accepted',
      `fd ${fd} (connection 1) is readable\n`,
      `recv(fd ${fd}) → 6 bytes "hello\\n"`,
      `send(fd ${fd}) → 6 bytes "hello\\n"`,
      `fd ${fd} (connection 1) is readable, the peer has ended its half\n`,
      `recv(fd ${fd}) → 0 bytes: end-of-file`,
      `close(fd ${fd}) → ok`, // it sends the FIN as well: nothing is left to be sent or read
      'runs the close callback of connection 1',
    ];
    let at = 0;
    for (const sentence of story) {
      const found = example.stdout.indexOf(sentence, at);
      expect(found, `${sentence}\nafter\n${example.stdout.slice(0, at)}`).toBeGreaterThanOrEqual(at);
      at = found + sentence.length;
    }
  });

  test('the bytes narrated and summed up are the bytes sent, also while the client does not read', async () => {
    const example = new Example(['--port', '0']);
    const socket = await client(await example.port());
    // Until we read, the sockets' buffers fill: some send takes only a part, and the server must stop reading.
    socket.pause();
    const stopped = example.printed(/send\(fd \d+\) → \d+ of \d+ bytes, [^]*interest changed to: writable/);
    let isStopped = false;
    void stopped.then(() => (isStopped = true));
    const pattern = Buffer.alloc(1_000_003, 'seventeen bytes, ');
    let sent = 0;
    for (let i = 0; i < 256 && !isStopped; i++) {
      sent++;
      if (!socket.write(pattern)) await Promise.race([once(socket, 'drain'), stopped]);
    }
    await stopped;
    const bytes = Buffer.concat(Array.from({ length: sent }, () => pattern));
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
    await end(socket);
    expect(await example.interrupt()).toBe(0);

    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    expect(sum(example.stdout, /recv\(fd \d+\) → (\d+) bytes?/g)).toBe(bytes.length);
    expect(sum(example.stdout, /send\(fd \d+\) → (\d+)(?: of \d+)? bytes?/g)).toBe(bytes.length);
    expect(example.stdout).toContain(`bytes         ${bytes.length} received, ${bytes.length} sent\n`);
  });

  test('covers every turn once, in order: those that did nothing for the program are folded', async () => {
    const example = new Example(['--port', '0', '--clients', '5']);
    expect(await example.ended).toBe(0);
    const told: number[] = [];
    for (const [, first, last] of example.stdout.matchAll(/^turns? +(\d+)(?:-(\d+))? /gm)) {
      for (let turn = Number(first); turn <= Number(last ?? first); turn++) told.push(turn);
    }
    const turns = Number(/^ {2}turns +(\d+)$/m.exec(example.stdout)![1]);
    expect(told).toEqual(Array.from({ length: turns }, (_, i) => i + 1));
    const stories = example.stdout.split(/^(?=turns? )/m).slice(1);
    const nothing = /nothing for the program/;
    for (const [i, story] of stories.entries()) {
      if (!nothing.test(story)) continue;
      // One line for all of them that follow one another; only a wait that was announced is told to its end.
      const isFolded = nothing.test(story.split('\n')[0]!);
      if (isFolded) expect(stories[i + 1]?.split('\n')[0] ?? '', story).not.toMatch(nothing);
      else expect(story).toMatch(/^turn \d+ +waits /);
    }
  });

  test('tells a long wait when it begins, and then says how long it was', async () => {
    const example = new Example(['--port', '0']);
    const port = await example.port();
    // Nobody has connected, so this can only be printed before the wait.
    await example.printed(/^turn \d+ +waits (without a timeout|[\d.]+ m?s at most): [^\n]+\n$/m);
    const socket = await client(port);
    // The next thing printed is how that very wait ended; perhaps Node's own loop was ready, too: then each has a line.
    const [, waited] = await example.printed(
      /^turn \d+ +waits [^\n]+\n +the kernel reports after ([\d.]+) (?:µs|ms|s):\s+(?:fd [^\n]+\n +)*fd \d+ \(the listening socket\)/m,
    );
    expect(Number(waited)).toBeGreaterThan(0);
    await end(socket);
    expect(await example.interrupt()).toBe(0);
  });

  test.runIf(process.platform === 'linux')(
    "the fds said to be Node's own loop, the slice timer and the listening socket are those",
    async () => {
      const example = new Example(['--port', '0']);
      await example.port();
      await example.printed(/the slice timer/);
      const kindOf = (role: string): string => {
        const fd = new RegExp(`fd (\\d+) \\(${role}\\)`).exec(example.stdout)![1]!;
        return fs.readlinkSync(`/proc/${example.child.pid!}/fd/${fd}`);
      };
      expect(kindOf("Node's own loop")).toBe('anon_inode:[eventpoll]');
      expect(kindOf('the slice timer')).toBe('anon_inode:[timerfd]');
      expect(kindOf('the listening socket')).toMatch(/^socket:/);
      expect(example.stdout).not.toContain('unknown');
      expect(await example.interrupt()).toBe(0);
    },
  );

  test('bytes that a terminal would obey are not passed on to it', async () => {
    const example = new Example(['--port', '0']);
    const socket = await client(await example.port());
    await echo(socket, Buffer.from('\x1b[2J\x9b\u202e bell \x07 zero \0', 'utf8'));
    await end(socket);
    expect(await example.interrupt()).toBe(0);
    expect(example.stdout).toContain('".[2J.. bell . zero ."');
    // eslint-disable-next-line no-control-regex
    expect(example.stdout).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  });
});

describe('--clients', () => {
  test('ends with a summary whose totals are those of the clients', async () => {
    const example = new Example(['--port', '0', '--clients', '5']);
    expect(await example.ended).toBe(0);
    // Five clients, three lines each: "client 1, line 1\n" is 17 bytes long.
    expect(example.stdout).toContain('connections   5 accepted, 5 closed\n');
    expect(example.stdout).toContain('bytes         255 received, 255 sent\n');
    expect(example.stdout).toContain(
      'clients       5 finished; 255 bytes sent, 255 came back: every byte as it was sent\n',
    );
    expect(example.stderr).toBe('');
  });

  const setups = nativeKernel.pollerKinds.flatMap((poller) =>
    (poller === 'poll' || poller === 'select' ? ['level'] : ['level', 'edge']).map((trigger) => ({
      poller,
      trigger,
    })),
  );
  test.each(setups)('serves them with $poller, $trigger-triggered', async ({ poller, trigger }) => {
    const args = ['--port', '0', '--poller', poller, '--trigger', trigger, '--clients', '3', '--json'];
    const example = new Example(args);
    expect(await example.ended).toBe(0);
    const { events } = example;
    expect(events.find(({ event }) => event === 'listening')).toMatchObject({ poller, trigger });
    const summary = events.at(-1)!;
    expect(summary).toMatchObject({
      event: 'summary',
      accepted: 3,
      closed: 3,
      bytesReceived: 153,
      bytesSent: 153,
    });
    expect(summary.clients).toMatchObject({
      connections: 3,
      bytesSent: 153,
      bytesReceived: 153,
      failures: [],
    });
  });
});

test.each([
  ['level', 'one recv per readiness: what is left is reported again'],
  ['edge', 'recv after recv: what is left is not reported again'],
])('--trigger %s: %s', async (trigger) => {
  const example = new Example(['--port', '0', '--trigger', trigger, '--json']);
  const socket = await client(Number((await example.printed(/"listening",.*"port":(\d+)/))[1]));
  await echo(socket, Buffer.from('accepted'));
  // More than one read can take, all of it there when the server looks.
  example.child.kill('SIGSTOP');
  const bytes = Buffer.alloc(1_000_000, 'pattern');
  const echoed = echo(socket, bytes);
  await new Promise((resolve) => socket.write('', resolve));
  example.child.kill('SIGCONT');
  expect((await echoed).equals(bytes)).toBe(true);
  await end(socket);
  expect(await example.interrupt()).toBe(0);

  let recvs = 0;
  const perItem: number[] = [];
  for (const { event, name } of example.events) {
    if (event === 'itemBegin') recvs = 0;
    if (event === 'call' && name === 'recv') recvs++;
    if (event === 'itemEnd') perItem.push(recvs);
  }
  if (trigger === 'level') expect(Math.max(...perItem)).toBe(1);
  else expect(Math.max(...perItem)).toBeGreaterThan(1);
});

describe('--quiet and --json', () => {
  test('--quiet prints where it listens and the summary, and nothing of the turns', async () => {
    const example = new Example(['--port', '0', '--clients', '2', '--quiet']);
    expect(await example.ended).toBe(0);
    expect(example.stdout).toMatch(/nc 127\.0\.0\.1 \d+/);
    expect(example.stdout).toMatch(/^Summary$/m);
    expect(example.stdout).not.toMatch(/^turn |recv\(/m);
  });

  test('--json lines all parse, and the summary is the sum of the events', async () => {
    const example = new Example(['--port', '0', '--clients', '4', '--json']);
    expect(await example.ended).toBe(0);
    const { events } = example;
    const of = (name: string) => events.filter(({ event }) => event === name);
    const sum = (numbers: number[]): number => numbers.reduce((total, number) => total + number, 0);
    const calls = of('call');
    const resultsOf = (...names: string[]): number[] =>
      calls.filter(({ name, result }) => names.includes(name) && result > 0).map(({ result }) => result);
    const summary = events.at(-1)!;

    expect(of('turnBegin').map(({ turn }) => turn)).toEqual(of('turnBegin').map((_, i) => i + 1));
    expect(summary).toMatchObject({
      event: 'summary',
      turns: of('turnBegin').length,
      waits: of('waitEnd').length,
      events: of('readiness').length,
      accepted: resultsOf('accept').length,
      bytesReceived: sum(resultsOf('recv')),
      bytesSent: sum(resultsOf('send', 'sendBytes')),
    });
    expect(sum(of('waitEnd').map((event) => event.events))).toBe(summary.events);
    expect(sum(Object.values(summary.calls))).toBe(calls.length);
    const failed = calls.filter(({ result }) => result < 0);
    expect(failed.map(({ error }) => error)).toEqual(failed.map(() => 'EAGAIN'));

    // The timeout that was chosen, and why.
    for (const { timeoutMs, reason } of of('waitBegin')) {
      expect(timeoutMs === 'Infinity').toBe(reason === 'idle');
      if (reason === 'queued') expect(timeoutMs).toBe(0);
    }
    // What was added was removed: nothing is left in the set at the end.
    const left = new Set<number>();
    for (const { change, fd } of of('interest')) {
      if (change === 'add') left.add(fd);
      if (change === 'remove') expect(left.delete(fd)).toBe(true);
    }
    expect([...left]).toEqual([]);
  });

  test('--json --quiet prints three objects: start, end and summary', async () => {
    const example = new Example(['--port', '0', '--json', '--quiet']);
    await example.printed(/"listening"/);
    expect(await example.interrupt()).toBe(0);
    expect(example.events.map(({ event }) => event)).toEqual(['listening', 'ending', 'summary']);
  });
});

describe('the end', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s closes listener and connections, prints the summary, and exits with 0',
    async (signal) => {
      const example = new Example(['--port', '0']);
      const port = await example.port();
      const idle = await client(port);
      const talker = await client(port);
      await echo(talker, Buffer.from('still here\n'));
      const closed = Promise.all([once(idle.resume(), 'end'), once(talker, 'end')]);
      expect(await example.interrupt(signal)).toBe(0);
      await closed;
      expect(await isListening(port)).toBe(false);
      expect(example.stdout).toContain(`closing everything: ${signal}`);
      expect(example.stdout).toContain('connections   2 accepted, 2 closed\n');
      expect(example.stdout).toContain('bytes         11 received, 11 sent\n');
      expect(example.stderr).toBe('');
    },
  );

  test('a second Ctrl-C does not wait for what the first one waits for', async () => {
    const example = new Example(['--port', '0', '--clients', '3', '--json']);
    const pid = Number((await example.printed(/"clientsStarted","count":3,"pid":(\d+)/))[1]);
    // A process that is stopped cannot end, however politely it is asked.
    process.kill(pid, 'SIGSTOP');
    cleanups.push(() => process.kill(pid, 'SIGKILL'));
    example.child.kill('SIGINT');
    await example.printed(/"ending","why":"SIGINT"/);
    expect(example.child.exitCode).toBe(null);
    // Its output stays open in the stopped process, so its own exit is what to wait for.
    const exited = once(example.child, 'exit');
    example.child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
  });

  test('Ctrl-C in the middle of --clients ends the clients too', async () => {
    const example = new Example(['--port', '0', '--clients', '50']);
    const pid = Number((await example.printed(/in process (\d+)/))[1]);
    await example.printed(/recv\(/);
    expect(await example.interrupt()).toBe(0);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(example.stdout).toContain('clients       stopped before they had finished\n');
  });

  test('a reader that leaves early (| head) ends it without a complaint', async () => {
    const example = new Example(['--port', '0', '--clients', '20']);
    await example.printed(/nc /);
    example.child.stdout!.destroy();
    expect(await example.ended).toBe(0);
    expect(example.stderr).toBe('');
  });
});

describe('colours', () => {
  /** Runs it on a terminal of its own, and gives what that terminal received. */
  async function onTerminal(args: string[], env: Record<string, string> = {}): Promise<string> {
    const [master, slave] = descriptors.openPty();
    const reactor = new Reactor();
    cleanups.push(() => {
      reactor.close();
      descriptors.close(master);
    });
    let text = '';
    const bytes = new Uint8Array(4096);
    reactor.watch(master, READABLE, () => {
      const count = descriptors.read(master, bytes);
      if (count !== null) text += Buffer.from(bytes.subarray(0, count)).toString('utf8');
    });
    const running = reactor.run();
    const example = new Example(['--port', '0', '--clients', '1', ...args], {
      stdio: ['ignore', slave, 'pipe'],
      env: { TERM: 'xterm-256color', ...env },
    });
    expect(await example.ended).toBe(0);
    // The slave is still open here, so all that was written can be read before the reactor ends.
    reactor.setTimer(0, () => reactor.setTimer(0, () => reactor.stop()));
    await running;
    descriptors.close(slave);
    return text;
  }
  const colour = '\u001b[';

  test('a terminal gets colours', async () => {
    expect(await onTerminal([])).toContain(colour);
  });
  test('a pipe, --no-color and NO_COLOR get none', async () => {
    const piped = new Example(['--port', '0', '--clients', '1'], { env: { FORCE_COLOR: '1' } });
    expect(await piped.ended).toBe(0);
    const texts = [piped.stdout, await onTerminal(['--no-color']), await onTerminal([], { NO_COLOR: '1' })];
    for (const text of texts) {
      expect(text).toContain('Summary');
      expect(text).not.toContain(colour);
    }
  });
});
