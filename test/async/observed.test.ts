// An observer hears of each promise that the reactor settles, in the item that settles it.

import { expect, test } from 'vitest';
import { connect, listen, run, sleep } from '../../src/async/index.js';
import { Reactor, SilentObserver, type ItemKind } from '../../src/index.js';
import { ScriptedKernel } from '../../src/testing.js';

class Heard extends SilentObserver {
  readonly resumed_: string[] = [];
  private kind: ItemKind | null = null;

  override itemBegin(kind: ItemKind): void {
    this.kind = kind;
  }
  override itemEnd(): void {
    this.kind = null;
  }
  override resumed(what: string): void {
    this.resumed_.push(`${what} in ${this.kind ?? 'no item'}`);
  }
}

test('sleep, connect, accept and read are told as resumed, each by the item that resumes it', async () => {
  const observer = new Heard();
  using reactor = new Reactor({ kernel: new ScriptedKernel(), observer });
  await run(reactor, async () => {
    await sleep(reactor, 5);
    const { signal } = new AbortController();
    await sleep(reactor, 5, { signal });
    await using listener = listen(reactor, { host: '127.0.0.1', port: 0 });
    const accepting = listener.accept();
    await using client = await connect(reactor, { host: '127.0.0.1', port: listener.address.port });
    await using server = (await accepting)!;
    const reading = client.read();
    await sleep(reactor, 1); // it waits by now
    await server.write(new TextEncoder().encode('hello'));
    expect(new TextDecoder().decode((await reading)!)).toBe('hello');
  });
  const { resumed_ } = observer;
  expect(resumed_.slice(0, 2)).toEqual(['sleep in timer', 'sleep in timer']);
  expect(resumed_).toContain('connect in readiness');
  expect(resumed_).toContain('accept in readiness');
  expect(resumed_).toContain('read in readiness');
});
