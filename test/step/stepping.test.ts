// Stepping real programs from outside: where they are held, what is told, what may be changed, and what cannot be held.

import { connect, type Socket } from 'node:net';
import { constants } from 'node:os';
import { PassThrough, Writable } from 'node:stream';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { READABLE, WRITABLE } from '../../src/index.js';
import type { HeldState, Message } from '../../src/step/protocol.js';
import type { TraceEvent } from '../../src/trace/format.js';
import { Stepped, example, program, stepPlainly } from './stepped.js';

type Call = Extract<TraceEvent, { type: 'call' }>;
const { EAGAIN, EINTR, ECONNRESET } = constants.errno;
const loop = program('loop.mjs');

const events = (stepped: Stepped): TraceEvent[] =>
  stepped.messages.flatMap((message) => ('events' in message ? message.events : []));
const calls = (stepped: Stepped, name: string): Call[] =>
  events(stepped).filter((event): event is Call => event.type === 'call' && event.name.startsWith(name));
/** On a slow machine descriptors of the reactor's host are in a batch, too: the slice's timer, the runtime's loop. */
const isHosts = ({ name }: { name: string }): boolean => name === 'HostSource';
const names = (list: readonly TraceEvent[]): string[] =>
  list.flatMap((event) => (event.type === 'itemBegin' && !isHosts(event) ? [event.name] : []));
/** What is left of the program's own in the batch. */
const left = ({ next }: HeldState): HeldState['next'] => next.filter((one) => !isHosts(one));

/** The echo server, held before it accepts its first client, which has sent `text`. */
async function echo(text: string): Promise<{ stepped: Stepped; client: Client; held: HeldState }> {
  const stepped = new Stepped(example('echo-reactor.js'), '--port', '0', '--quiet', '--no-color');
  const port = await stepped.until(() => /127\.0\.0\.1:(\d+)/.exec(stepped.stdout)?.[1], 'port');
  const client = new Client(connect(Number(port), '127.0.0.1'));
  client.socket.write(text);
  return { stepped, client, held: await stepped.held() };
}

class Client {
  got = '';
  error: string | null = null;
  readonly closed: Promise<unknown>;
  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (text: string) => (this.got += text));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? 'unknown'));
    this.closed = once(socket, 'close').catch(() => undefined);
  }
  /** Ends its half, and resolves when everything has come. */
  async end(): Promise<void> {
    this.socket.end();
    await this.closed;
  }
}

/** Lets it run to the connection's item. */
async function toConnection(stepped: Stepped): Promise<HeldState> {
  const held = await stepped.go({ do: 'until', condition: { handler: 'Connection', readiness: READABLE } });
  expect(held).not.toBeNull();
  return held!;
}

describe('a held echo server', () => {
  test('is held before each item, tells what comes next and what it did, and the client waits meanwhile', async () => {
    const { stepped, client, held } = await echo('hello');
    expect(held).toMatchObject({ reason: 'step', repeated: false, turn: expect.any(Number) as number });
    expect(held.next[0]).toMatchObject({
      kind: 'readiness',
      readiness: READABLE,
      name: 'Listener',
      stale: false,
    });
    expect(held.registry.map(({ name }) => name)).toContain('Listener');
    expect(calls(stepped, 'accept')).toEqual([]);

    const accepted = (await stepped.step())!;
    expect(names(accepted.events)).toEqual(['Listener']);
    const fd = calls(stepped, 'accept')[0]!.result;
    expect(accepted.next[0]).toMatchObject({ fd, name: 'Connection' });
    expect(accepted.source?.path).toBe(example('echo-reactor.js'));
    expect(accepted.registry.find((one) => one.fd === fd)).toMatchObject({
      interest: READABLE,
      trigger: 'level',
    });
    expect(client.got).toBe('');

    stepped.session.send({ do: 'continue' });
    await client.end();
    expect(client.got).toBe('hello');
  });
  test('runs to another turn, to a condition, to breakpoints of each kind', async () => {
    const { stepped, client, held } = await echo('one');
    const turn = (await stepped.go({ do: 'turn' }))!;
    expect(turn.reason).toBe('turn');
    expect(turn.turn).toBeGreaterThan(held.turn);
    const { fd } = turn.next[0]!;

    expect((await stepped.go({ do: 'break', condition: { fd } }))!.repeated).toBe(true);
    stepped.session.send({ do: 'continue' });
    while (client.got === '') await once(client.socket, 'data');
    client.socket.write('two');
    const broken = await stepped.held();
    expect(broken).toMatchObject({ reason: 'breakpoint', breakpoint: 1 });
    expect(left(broken)).toMatchObject([{ fd }]);
    expect((await stepped.go({ do: 'unbreak', number: 1 }))!.breakpoints).toEqual([]);

    await stepped.go({ do: 'break', condition: { kind: 'closed', handler: 'Conn' } });
    await stepped.go({ do: 'break', condition: { readiness: WRITABLE } });
    stepped.session.send({ do: 'continue' });
    client.socket.end();
    const closed = await stepped.held();
    expect(closed).toMatchObject({ breakpoint: 2, next: [{ kind: 'closed', name: 'Connection' }] });
    expect(closed.breakpoints.map(({ number }) => number)).toEqual([2, 3]);
    stepped.session.send({ do: 'continue' });
    await client.closed;
    expect(client.got).toBe('onetwo');
  });
  test('a readiness that is dropped comes again, and one that does not stand there is refused', async () => {
    const { stepped, client } = await echo('again');
    const held = await toConnection(stepped);
    const { fd } = held.next[0]!;
    const dropped = (await stepped.go({ do: 'drop', index: 0 }))!;
    expect([dropped.repeated, left(dropped)]).toEqual([true, []]);
    expect(left((await stepped.go({ do: 'drop', index: 7 }))!)).toEqual([]);
    expect(stepped.refusals[0]).toContain('index must be the place of a readiness');
    const later = (await stepped.step())!;
    expect(later.turn).toBeGreaterThan(held.turn);
    expect(later.next[0]!.fd).toBe(fd);
    expect(calls(stepped, 'recv')).toEqual([]);
    stepped.session.send({ do: 'continue' });
    await client.end();
    expect(client.got).toBe('again');
  });
  test('readinesses change places', async () => {
    const { stepped, client } = await echo('first');
    await toConnection(stepped);
    const other = new Client(connect(client.socket.remotePort!, '127.0.0.1'));
    await once(other.socket, 'connect');
    await stepped.go({ do: 'drop', index: 0 });
    const both = (await stepped.step())!; // what was dropped, and the listener
    const [one, two] = left(both).map(({ name }) => name) as [string, string];
    expect([one, two].sort()).toEqual(['Connection', 'Listener']);
    const moved = (await stepped.go({ do: 'move', from: both.next.indexOf(left(both)[1]!), to: 0 }))!;
    expect(left(moved).map(({ name }) => name)).toEqual([two, one]);
    expect(names((await stepped.step())!.events)).toEqual([two]);
    stepped.session.send({ do: 'continue' });
    await Promise.all([client.end(), other.end()]);
    expect([client.got, other.got]).toEqual(['first', '']);
  });
  test.each([
    ['EAGAIN of recv', 'recv', -EAGAIN],
    ['EINTR of recv', 'recv', -EINTR],
    ['a short read', 'recv', { bytesMax: 2 }],
    ['EAGAIN of send', 'send', -EAGAIN],
    ['a partial write', 'send', { bytesMax: 3 }],
  ] as const)('%s: no byte is lost', async (_what, call, result) => {
    const { stepped, client } = await echo('nothing is lost');
    const { next } = await toConnection(stepped);
    await stepped.go({ do: 'inject', call, result, fd: next[0]!.fd });
    await stepped.go({ do: 'break', condition: { kind: 'closed' } });
    stepped.session.send({ do: 'continue' });
    client.socket.end();
    await stepped.held();
    const wanted = typeof result === 'number' ? result : result.bytesMax;
    expect(calls(stepped, call).map((made) => made.result)).toContain(wanted);
    stepped.session.send({ do: 'continue' });
    await client.closed;
    expect([client.got, client.error]).toEqual(['nothing is lost', null]);
  });
  test('a reset: this connection fails with it, and the server goes on with the next', async () => {
    const { stepped, client } = await echo('lost');
    const { next } = await toConnection(stepped);
    await stepped.go({ do: 'inject', call: 'recv', result: -ECONNRESET, fd: next[0]!.fd });
    stepped.session.send({ do: 'continue' });
    await client.closed;
    expect(client.got).toBe('');
    const second = new Client(connect(client.socket.remotePort ?? portOf(stepped), '127.0.0.1'));
    second.socket.write('found');
    await second.end();
    expect(second.got).toBe('found');
  });
});

function portOf(stepped: Stepped): number {
  return Number(/127\.0\.0\.1:(\d+)/.exec(stepped.stdout)![1]);
}

describe('a program that runs freely', () => {
  test('is paused before its next item, gives signs of life, and refuses what needs a hold', async () => {
    const stepped = new Stepped(loop, 'spin');
    await stepped.held();
    stepped.session.send({ do: 'continue' });
    await stepped.until(() => stepped.messages.find(({ type }) => type === 'beat'), 'beat');
    stepped.session.send({ do: 'drop', index: 0 });
    await stepped.until(() => stepped.refusals[0], 'refusal');
    expect(stepped.refusals[0]).toContain('the program runs: pause it first');
    stepped.session.send({ do: 'pause' });
    const paused = await stepped.held();
    expect(paused.reason).toBe('pause');
    expect(left(paused)).toMatchObject([{ kind: 'timer', name: 'item' }]);
    const held = (await stepped.step(10))!;
    expect([held.reason, names(held.events).length]).toEqual(['step', 10]);
  });
  test('is refused commands that are none, and goes on', async () => {
    const stepped = new Stepped(loop, 'spin');
    await stepped.held();
    await stepped.go({ do: 'explode' } as never);
    await stepped.go({ do: 'unbreak', number: 9 });
    expect(stepped.refusals).toHaveLength(2);
    expect((await stepped.step())!.reason).toBe('step');
  });
  test('keeps its own Node timers while it is held', async () => {
    const stepped = new Stepped(loop, 'beside');
    let holds = 0;
    for (let held: HeldState | null = await stepped.held(); held !== null; held = await stepped.step())
      holds++;
    expect(stepped.stdout).toBe("4 items, and Node's timer went on\n");
    expect([holds, stepped.ending?.code]).toEqual([4, 0]);
  });
  test.each([
    ['computes', 'compute', /^running$/],
    ['sleeps in a call', 'sleep', /^futex/],
  ])('one that %s is told as silent, with what its main thread is in', async (_what, argument, call) => {
    const said = await plainly(loop, [argument], { json: true });
    // On a busy machine a program may be silent while it is loaded, too.
    const silent = said.objects.findLast(({ type }) => type === 'silent');
    expect(silent).toMatchObject({ call: expect.stringMatching(call) as string });
    expect(said.ending.code).toBe(0);
  });
});

describe('a program that cannot be held', () => {
  test('because it calls turn() itself is traced, is told so, and runs as it would', async () => {
    const { objects, ending } = await plainly(program('turns.mjs'), [], { json: true });
    const traced = objects.filter(
      (one): one is Extract<Message, { type: 'traced' }> => one.type === 'traced',
    );
    expect(traced[0]?.reason).toBe('turn');
    expect(traced.flatMap((one) => names(one.events))).toEqual(Array(5).fill('again'));
    expect([ending.code, ending.holds]).toEqual([0, 0]);
    const { text } = await plainly(program('turns.mjs'), [], {});
    expect(text.match(/cannot be held: the program calls turn\(\) itself/g)).toHaveLength(1);
    expect(text).toContain('> posted: again');
    expect(text).toContain('| done');
  });
});

describe('two reactors of one program', () => {
  test('stand still together: one step is one item of one of them, and both come to their ends', async () => {
    const stepped = new Stepped(program('two.mjs'));
    const ran: string[][] = [];
    const reactors = new Set<number>();
    for (let held: HeldState | null = await stepped.held(); held !== null;) {
      reactors.add(held.reactor);
      const before = names(events(stepped)).length;
      const next = held.next[0]!.name;
      held = await stepped.step();
      if (held !== null) expect(names(events(stepped)).length - before).toBeLessThanOrEqual(2);
      ran.push([next]);
    }
    expect([...reactors].sort()).toEqual([1, 2]);
    const all = names(events(stepped));
    expect([...all].sort()).toEqual([
      'a1',
      'a2',
      'a3',
      'b1',
      'b2',
      'b3',
      'fromFirst',
      'lastOfFirst',
      'lastOfSecond',
    ]);
    expect(ran.flat().sort()).toEqual([...all].sort());
    const order = stepped.stdout.trim().split('\n');
    for (const letter of ['a', 'b']) {
      expect(order.filter((word) => /^[ab]\d$/.test(word) && word.startsWith(letter))).toEqual(
        [1, 2, 3].map((i) => `${letter}${String(i)}`),
      );
    }
    expect(stepped.stdout).toContain('both have ended');
  });
});

interface Said {
  text: string;
  objects: (Message | { type: 'silent' | 'ended' | 'limit'; call?: string })[];
  ending: { code: number | null; holds: number };
}

/** A whole plain run, with all that it wrote. */
async function plainly(
  script: string,
  args: string[],
  options: {
    json?: boolean;
    commands?: string[];
    holdsMax?: number;
    input?: NodeJS.ReadableStream;
    signal?: AbortSignal;
    hear?: (object: Said['objects'][number]) => void;
  },
): Promise<Said> {
  let text = '';
  const output = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
      // Each object is written at once, as a line of its own.
      if (options.hear !== undefined) options.hear(JSON.parse(String(chunk)) as Said['objects'][number]);
    },
  });
  const { json = false, commands = [], holdsMax = 10_000, input = null } = options;
  const signal = options.signal ?? AbortSignal.timeout(15_000);
  const ending = await stepPlainly(script, args, { json, commands, holdsMax, input, output, signal });
  const lines = json ? text.trimEnd().split('\n') : [];
  return { text, ending, objects: lines.map((line) => JSON.parse(line) as Said['objects'][number]) };
}

describe('plain stepping', () => {
  test('obeys its commands in order, whatever changes nothing between them, and goes on item by item', async () => {
    const commands = ['b kind closed', 'help', 'nonsense', 's 2', 'inject recv EAGAIN', 'unbreak 1', 's'];
    const { objects, ending } = await plainly(loop, ['beside'], { json: true, commands });
    const types = objects.map(({ type }) => type).filter((type) => type !== 'traced' && type !== 'beat');
    expect(types.slice(0, 9)).toEqual([
      ...['hello', 'opened', 'held', 'held', 'help', 'refused', 'held', 'held', 'held'],
    ]);
    expect(ending).toMatchObject({ code: 0, holds: 3 });
  });
  test('takes what is typed: a program that runs freely is paused, and ended, at once', async () => {
    const input = new PassThrough();
    const heard: string[] = [];
    const said = await plainly(loop, ['spin'], {
      json: true,
      input,
      hear(object) {
        if (object.type === 'held') heard.push(object.reason);
        if (object.type === 'held') input.write('c\n');
        if (object.type === 'beat') input.write(heard.includes('pause') ? 'q\n' : 'p\n');
      },
    });
    expect(heard).toEqual(['step', 'pause']);
    expect(said.objects.at(-1)).toMatchObject({ type: 'ended', signal: 'SIGTERM' });
  });
  test('of what is typed ahead, waits with each line until it is due', async () => {
    const input = new PassThrough();
    input.end('s\ns 2\nhelp\nq\n');
    const { objects, ending } = await plainly(loop, ['spin'], { json: true, input });
    const types = objects.map(({ type }) => type).filter((type) => type !== 'beat');
    expect(types.filter((type) => type !== 'traced')).toEqual([
      ...['hello', 'opened', 'held', 'held', 'held', 'help', 'ended'],
    ]);
    expect(ending.holds).toBe(3);
  });
  test('that is called off ends its program', async () => {
    const { ending } = await plainly(loop, ['spin'], { signal: AbortSignal.timeout(300) });
    expect(ending.code).not.toBe(0);
    const aborted = await plainly(loop, ['spin'], { signal: AbortSignal.abort() });
    expect([aborted.ending.code, aborted.ending.holds]).toEqual([null, 0]);
  });
  test('ends the program after so many holds', async () => {
    const { text, ending } = await plainly(loop, ['spin'], { holdsMax: 3 });
    expect(ending.holds).toBe(3);
    expect(text).toContain('== held 3 times: that was asked for');
    expect(text).toContain('== the program has ended by SIGTERM');
  });
  test('says in words where the program is held, with the line of source', async () => {
    const { text } = await plainly(loop, ['nothing'], {});
    expect(text).toMatch(
      /^== held, turn \d+; next: posted: item\n {3}test\/step\/programs\/loop\.mjs:9 {2}function item\(\) \{$/m,
    );
    expect(text).toContain('  > posted: item\n');
  });
});
