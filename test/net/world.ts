// What the tests of src/net share: a reactor per mechanism, a log of what each connection calls, a search for leaks.

import { readdirSync, readlinkSync } from 'node:fs';
import { setImmediate as immediate, setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import { Poller, Reactor, connect, copy, listen, nativeKernel } from '../../src/index.js';
import type {
  Connection,
  ConnectionHandlers,
  ConnectOptions,
  ListenOptions,
  Listener,
  ListenerHandlers,
  Observer,
  PollerKind,
  SystemError,
  Trigger,
  UnderloopError,
} from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';
import type { ScriptedKernelOptions } from '../../src/testing.js';

/** One way of waiting: a poller and a trigger, of the machine's kernel or of the scripted one. */
export interface Mode {
  readonly name: string;
  readonly poller: PollerKind;
  readonly trigger: Trigger;
}

/** Every poller of this machine, with each trigger that it has. */
export const realModes: readonly Mode[] = nativeKernel.pollerKinds.flatMap((poller) => {
  using probe = new Poller({ kind: poller });
  const triggers: Trigger[] = probe.capabilities.edge ? ['level', 'edge'] : ['level'];
  return triggers.map((trigger) => ({ name: `${poller} ${trigger}`, poller, trigger }));
});
export const scriptedModes: readonly Mode[] = (['level', 'edge'] as const).map((trigger) => ({
  name: `scripted ${trigger}`,
  poller: 'scripted',
  trigger,
}));
export const modes: readonly Mode[] = [...realModes, ...scriptedModes];

// The runtime's host opens a descriptor at the first run() of a thread and keeps it: that one is no leak.
const first = new Reactor();
await first.run();
first.close();

/** How long something real may take before it counts as never; how many turns in virtual time. */
const NEVER_MS = 20_000;
const NEVER_TURNS = 200_000;

/** What one connection has called. Neighbouring data events are one 'data'; errors stand with their code. */
export class Log {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  /** The length of each data event. */
  readonly sizes: number[] = [];
  closeError: Error | null | undefined;

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
  get text(): string {
    return this.bytes.toString();
  }
  get length(): number {
    return this.sizes.reduce((sum, size) => sum + size, 0);
  }
  get closed(): boolean {
    return this.closeError !== undefined;
  }
  has(event: string): boolean {
    return this.events.includes(event);
  }
  count(event: string): number {
    return this.events.filter((one) => one === event).length;
  }
  note(event: string): void {
    // The rule that holds for every connection of every test here: close is the last call, and there is one.
    if (this.closed) throw new Error(`'${event}' after 'close'; before: ${this.events.join(', ')}`);
    if (event !== 'data' || this.events.at(-1) !== 'data') this.events.push(event);
  }
}

const codeOf = (error: Error): string =>
  (error as { code?: unknown } & Error).code?.toString() ?? error.message;

/** Logs of the connections that share one object of handlers, oldest first. */
export class Logs {
  readonly all: Log[] = [];
  readonly connections: Connection[] = [];
  readonly acceptErrors: (SystemError | UnderloopError)[] = [];
  readonly handlers: ListenerHandlers;

  /** `given` are called after the log. `keep`: whether data is kept, or only its length. */
  constructor(given: ListenerHandlers = {}, keep = true) {
    this.handlers = {
      open: (connection) => {
        this.of(connection).note('open');
        given.open?.(connection);
      },
      data: (connection, buffer, start, end) => {
        const log = this.of(connection);
        log.note('data');
        log.sizes.push(end - start);
        if (keep) log.chunks.push(copy(buffer, start, end));
        given.data?.(connection, buffer, start, end);
      },
      drain: (connection) => {
        this.of(connection).note('drain');
        given.drain?.(connection);
      },
      error: (connection, error) => {
        this.of(connection).note(`error ${codeOf(error)}`);
        given.error?.(connection, error);
      },
      close: (connection, error) => {
        const log = this.of(connection);
        log.note(error === null ? 'close' : `close ${codeOf(error)}`);
        log.closeError = error;
        given.close?.(connection, error);
      },
      acceptError: (listener, error) => {
        this.acceptErrors.push(error);
        given.acceptError?.(listener, error);
      },
    };
    // Its absence means something: the connection then ends its own half.
    const { readClosed } = given;
    if (readClosed !== undefined) {
      this.handlers.readClosed = (connection) => {
        this.of(connection).note('readClosed');
        readClosed(connection);
      };
    }
  }

  of(connection: Connection): Log {
    const at = this.connections.indexOf(connection);
    if (at >= 0) return this.all[at]!;
    this.connections.push(connection);
    const log = new Log();
    this.all.push(log);
    return log;
  }
}

export interface Pair {
  readonly listener: Listener;
  /** The accepted end. */
  readonly server: Connection;
  readonly serverLog: Log;
  /** The connecting end. */
  readonly client: Connection;
  readonly clientLog: Log;
}

export interface WorldOptions extends ScriptedKernelOptions {
  development?: boolean;
  observer?: Observer;
}

export class World {
  /** Null on the real kernel. */
  readonly scripted: ScriptedKernel | null;
  readonly reactor: Reactor;
  /** What reached reactor.onError. A test that expects some takes them out with {@link takeErrors}. */
  private errors: unknown[] = [];
  private readonly before = realDescriptors();
  private readonly cleanups: (() => unknown)[] = [];
  private running: Promise<void> | null = null;

  constructor(
    readonly mode: Mode,
    { development, observer, ...scripted }: WorldOptions = {},
  ) {
    this.scripted = mode.poller === 'scripted' ? new ScriptedKernel(scripted) : null;
    this.reactor = new Reactor({
      poller: mode.poller,
      onError: (error) => this.errors.push(error),
      ...(this.scripted && { kernel: this.scripted }),
      ...(development !== undefined && { development }),
      ...(observer && { observer }),
    });
  }

  /** Lets the reactor run by itself beside Node's loop, for peers that are Node's. There must be something to run for. */
  start(): void {
    if (!this.reactor.alive) throw new Error('run() would end at once');
    this.running ??= this.reactor.run();
  }

  listen(handlers: ListenerHandlers, options: ListenOptions = {}): Listener {
    return listen(this.reactor, { trigger: this.mode.trigger, ...options }, handlers);
  }
  connect(port: number, handlers: ConnectionHandlers, options: Partial<ConnectOptions> = {}): Connection {
    return connect(this.reactor, { trigger: this.mode.trigger, ...options, port }, handlers);
  }

  /** A connection of which both ends are ours. `more` are options of both ends. */
  async pair(
    serverHandlers: ListenerHandlers = {},
    clientHandlers: ConnectionHandlers = {},
    more: { writeQueueBytesMax?: number; keep?: boolean; flush?: 'now' | 'turn' } = {},
  ): Promise<Pair> {
    const { keep = true, ...options } = more;
    const serverLogs = new Logs(serverHandlers, keep);
    const clientLogs = new Logs(clientHandlers, keep);
    const listener = this.listen(serverLogs.handlers, options);
    const client = this.connect(listener.address.port, clientLogs.handlers, options);
    const clientLog = clientLogs.of(client);
    await this.until(() => clientLog.has('open') && serverLogs.all.length > 0, 'a pair');
    return { listener, client, clientLog, server: serverLogs.connections[0]!, serverLog: serverLogs.all[0]! };
  }

  /** Goes on, turn by turn, until it is so. */
  async until(done: () => boolean, what = String(done)): Promise<void> {
    const deadlineMs = performance.now() + NEVER_MS;
    for (let turns = 0; !done(); turns++) {
      if (this.scripted !== null) {
        if (turns > NEVER_TURNS) throw new Error(`${String(turns)} turns without ${what}`);
        this.reactor.turn();
        continue;
      }
      if (performance.now() > deadlineMs) throw new Error(`${String(NEVER_MS)} ms without ${what}`);
      if (this.running !== null) await sleep(1);
      else {
        this.reactor.turn(2);
        await immediate();
      }
    }
  }

  /** A few turns that do not wait, for what must not happen: all that could is there already. */
  async settle(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) {
      if (this.running === null) this.reactor.turn(0);
      await immediate();
    }
  }

  /** What handlers threw, as messages. */
  takeErrors(): string[] {
    return this.errors.splice(0).map((error) => (error instanceof Error ? error.message : String(error)));
  }

  /** Runs at the end of the test, before the reactor closes. */
  onEnd(cleanup: () => unknown): void {
    this.cleanups.push(cleanup);
  }

  /** Closes everything; then no descriptor may be left, and no handler may have thrown unexpectedly. */
  async finish(): Promise<void> {
    for (const cleanup of this.cleanups.reverse()) await cleanup();
    this.reactor.close();
    await this.running;
    expect(this.errors).toEqual([]);
    if (this.scripted !== null) {
      expect(this.scripted.openFds()).toEqual([]);
      return;
    }
    await expectNoLeaks(this.before);
  }
}

/** A world for each test of a describe block, finished after it. */
export function useWorld(mode: Mode, options: WorldOptions = {}): () => World {
  let world: World;
  beforeEach(() => {
    world = new World(mode, options);
  });
  afterEach(() => world.finish());
  return () => world;
}

/** The sockets, pollers, timers and placeholders that this process has open; empty where there is no /proc. */
export function realDescriptors(): string[] {
  if (process.platform !== 'linux') return [];
  const found: string[] = [];
  for (const fd of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (/^(socket:|anon_inode:|\/dev\/null)/.test(target)) found.push(`${fd} ${target}`);
    } catch {
      // The descriptor that listed the folder has gone.
    }
  }
  return found;
}
/** Nothing may be open that was not open `before`. Node closes the sockets of its own peers a little later. */
export async function expectNoLeaks(before: readonly string[]): Promise<void> {
  const leaks = (): string[] => realDescriptors().filter((one) => !before.includes(one));
  const deadlineMs = performance.now() + 5000;
  while (leaks().length > 0 && performance.now() < deadlineMs) await sleep(1);
  expect(leaks()).toEqual([]);
}

/** Bytes that tell where they stand, so that a loss or an exchange shows. */
export function pattern(length: number, from = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = ((from + i) * 31 + ((from + i) >>> 8)) & 0xff;
  return bytes;
}

/** Writes {@link pattern} until the kernel's buffers are full and a first piece is queued. Returns all that was taken. */
export function fill(connection: Connection, pieceBytes = 65_536): number {
  let taken = 0;
  while (connection.queuedBytes === 0) {
    if (taken > 64 * 1024 * 1024) throw new Error('64 MiB went, and nothing was queued');
    taken += connection.write(pattern(pieceBytes, taken));
  }
  return taken;
}
