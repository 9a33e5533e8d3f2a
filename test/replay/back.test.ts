// A replay held between items, forwards and backwards: going back comes to the very state that was there before.

import { afterEach, describe, expect, test } from 'vitest';
import type * as sessionModule from '../../src/replay/session.js';
import type { Command, HeldState, Message } from '../../src/step/protocol.js';
import { program, take } from './fixture.js';

const { ReplaySession } = (await import(
  new URL('../../dist/replay/session.js', import.meta.url).href
)) as typeof sessionModule;

/** Long against a loaded machine, short against a test's own limit, so that the message is ours. */
const HANG_MS = 20_000;

const sessions: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(sessions.splice(0).map((session) => session.stop()));
});

/** A held replay, its holds and its end one after the other. */
class Walk {
  readonly session;
  readonly refusals: string[] = [];
  output = '';
  private wake = (): void => undefined;
  private news: HeldState | 'over' | 'refused' | null = null;

  constructor(file: string, event = 0) {
    this.session = new ReplaySession(file, { event, input: 'ignore' });
    sessions.push(this.session);
    this.session.on('output', (_stream, text) => (this.output += text));
    this.session.on('message', (message: Message) => {
      if (message.type === 'held') this.news = message;
      else if (message.type === 'note' && message.over) this.news = 'over';
      else if (message.type === 'refused') {
        this.refusals.push(message.message);
        this.news = 'refused';
      } else return;
      this.wake();
    });
  }

  async next(): Promise<HeldState | 'over' | 'refused'> {
    const timer = setTimeout(() => this.wake(), HANG_MS);
    while (this.news === null) {
      await new Promise<void>((resolve) => (this.wake = resolve));
      if (this.news === null) throw new Error('nothing is heard of the replay');
    }
    clearTimeout(timer);
    const { news } = this;
    this.news = null;
    return news;
  }
  async go(command: Command): Promise<HeldState | 'over' | 'refused'> {
    this.session.send(command);
    return this.next();
  }
  async held(command: Command): Promise<HeldState> {
    const news = await this.go(command);
    if (typeof news === 'string') throw new Error(`${news}: ${this.refusals.join()}`);
    return news;
  }
}

/** What is the same whenever one comes to a place. */
const stateOf = ({ turn, next, left, registry, timers, queues, replay }: HeldState): object => ({
  turn,
  next,
  left,
  registry,
  timers,
  queues,
  replay,
});

describe('a held replay', () => {
  test('goes back by items and to events, to the states that were there', async () => {
    const { file } = await take(program('echo.js'), ['3']);
    const walk = new Walk(file);
    const states = [await walk.next()].map((held) => stateOf(held as HeldState));
    for (let i = 0; i < 20; i++) states.push(stateOf(await walk.held({ do: 'step', count: 1 })));
    expect(stateOf(await walk.held({ do: 'back', count: 1 }))).toEqual(states[19]);
    expect(stateOf(await walk.held({ do: 'back', count: 12 }))).toEqual(states[7]);
    expect(stateOf(await walk.held({ do: 'step', count: 3 }))).toEqual(states[10]);
    const { replay } = states[15] as HeldState;
    expect(stateOf(await walk.held({ do: 'goto', event: replay!.event }))).toEqual(states[15]);
    // Before the first item there is none.
    expect(stateOf(await walk.held({ do: 'back', count: 1000 }))).toEqual(states[0]);
  });

  test('at its end it has its verdict, and can be gone back in; breakpoints stay', async () => {
    const { file, output } = await take(program('echo.js'), ['2']);
    const walk = new Walk(file);
    await walk.next();
    await walk.go({ do: 'break', condition: { kind: 'closed' } });
    const first = await walk.held({ do: 'continue' });
    expect(first.reason).toBe('breakpoint');
    expect(first.next[0]).toMatchObject({ kind: 'closed' }); // others may stand behind it
    await walk.held({ do: 'back', count: 5 });
    expect(stateOf(await walk.held({ do: 'continue' }))).toEqual(stateOf(first));
    await walk.go({ do: 'unbreak' });
    expect(await walk.go({ do: 'continue' })).toBe('over');
    expect(walk.session.verdict).toMatchObject({ type: 'same' });
    expect(walk.output.endsWith(output.slice(-10))).toBe(true);
    expect(await walk.go({ do: 'step', count: 1 })).toBe('refused');
    const last = await walk.held({ do: 'back', count: 1 });
    expect(last.replay!.item).toBeGreaterThan(first.replay!.item);
    expect(await walk.go({ do: 'step', count: 1 })).toBe('over');
  });

  test('begins at the event that is asked for, and refuses to be made another program', async () => {
    const { file } = await take(program('echo.js'), ['3']);
    const walk = new Walk(file, 100);
    const held = (await walk.next()) as HeldState;
    expect(held.replay!.event).toBeGreaterThanOrEqual(100);
    expect(held.source?.path).toMatch(/\.js$/);
    for (const command of [
      { do: 'drop', index: 0 },
      { do: 'inject', call: 'recv', result: -11 },
    ] as const) {
      expect(await walk.go(command)).toBe('refused');
      expect(walk.session.held).not.toBeNull();
    }
    expect(walk.refusals[0]).toContain('a replay does what was recorded');
  });

  test.each(['async.js', 'reactors.js', 'runtime.js', 'server.js'])(
    'a hold changes nothing: %s, item by item, is the same to its end',
    async (name) => {
      const stop = new AbortController();
      const { file } = await take(program(name), [], {
        signal: stop.signal,
        onOutput: () => {
          if (name === 'server.js') setTimeout(() => stop.abort(), 60).unref();
        },
      });
      const walk = new Walk(file);
      let items = 0;
      for (let news = await walk.next(); news !== 'over'; news = await walk.go({ do: 'step', count: 1 }))
        items++;
      expect(items).toBeGreaterThan(0);
      expect(walk.session.verdict).toMatchObject({ type: 'same' });
    },
  );
});
