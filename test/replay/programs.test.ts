// Programs of every kind, recorded in a real run and replayed: the same events, the same output, the same state at the end.

import { copyFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { recordLines } from '../../src/replay/say.js';
import { again, fresh, program, take } from './fixture.js';

const sameAs = (verdict: object | null): string => (verdict as { type: string } | null)?.type ?? 'none';

describe('a program is replayed to the same states and prints the same', () => {
  test.each([
    ['echo.js', 0],
    ['async.js', 0],
    ['bridge.js', 0],
    ['http.js', 0],
    ['datagrams.js', 0],
    ['reactors.js', 0],
    ['descriptors.js', 0],
    ['runtime.js', 3],
  ])('%s', async (name, code) => {
    const { file, recorded, output } = await take(program(name));
    expect(recorded).toMatchObject({ code, summary: { uncovered: [], ended: null } });
    const replayed = await again(file);
    expect(replayed.verdict).toMatchObject({ type: 'same', code, events: recorded.extent.events });
    expect(replayed.output).toBe(output);
    expect(replayed.code).toBe(code);
  });
});

test('what native threads have read is in the recording: the file may be gone', async () => {
  const data = fresh('.txt');
  writeFileSync(data, 'what is read once '.repeat(50_000));
  const { file, recorded, output } = await take(program('threads.js'), [data]);
  expect(recorded).toMatchObject({ code: 0, summary: { uncovered: [] } });
  expect(output).toContain('900000 what is read once wh true\nENOENT\n');
  rmSync(data);
  const replayed = await again(file);
  expect(sameAs(replayed.verdict)).toBe('same');
  expect(replayed.output).toBe(output);
});

/** Starts the server, lets clients of this process talk to it, and interrupts it. */
async function served(options: Parameters<typeof take>[2] = {}): ReturnType<typeof take> {
  const stop = new AbortController();
  const talk = async (port: number): Promise<void> => {
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.end(Buffer.alloc(1000 * (i + 1), i)));
        socket
          .on('error', reject)
          .on('close', () => resolve())
          .resume();
      });
    }
    stop.abort();
  };
  let said = '';
  return take(program('server.js'), [], {
    ...options,
    signal: stop.signal,
    onOutput: (_stream, text) => {
      const before = said;
      said += text;
      if (before.includes('\n') || !said.includes('\n')) return;
      void talk(Number(/port (\d+)/.exec(said)?.[1]));
    },
  });
}

test('clients from outside, and an interrupt: the reactor ends as it would, and the recording is whole', async () => {
  const { file, recorded, output } = await served();
  expect(recorded).toMatchObject({ code: 0, signal: null, extent: { truncated: false } });
  expect(output).toContain('interrupted\n');
  expect(output).toContain('3 accepted\n');
  const replayed = await again(file);
  expect(replayed.verdict).toMatchObject({ type: 'same', code: 0 });
  expect(replayed.output).toBe(output);
});

test('a changed program is reported at the first event that differs, with what runs then and what was before', async () => {
  const { file } = await take(program('echo.js'), ['3']);
  const changed = join(dirname(program('echo.js')), '../../..', 'test/replay/programs/echo.js');
  const copy = fresh('.mjs');
  const dist = new URL('../../dist/index.js', import.meta.url).href;
  const source = readFileSync(changed, 'utf8').replace('../../../dist/index.js', dist);
  writeFileSync(copy, source.replace('fill(i)', 'fill(i + 1)'));
  const { verdict } = await again(file, { script: copy });
  expect(verdict).toMatchObject({
    type: 'differs',
    turn: 1,
    item: expect.stringMatching(/^writable of fd \d+: Connection$/),
  });
  const { recorded, now, before } = verdict as unknown as { recorded: string; now: string; before: string[] };
  expect(recorded).toMatch(/^send\(\d+, \d+ bytes #[0-9a-f]{8}\) = \d+$/);
  expect(now).toMatch(/^send\(\d+, \d+ bytes #[0-9a-f]{8}\)$/);
  expect(now.split('#')[0]).toBe(recorded.split('#')[0]);
  expect(before).toHaveLength(8);
  // A timer with another delay is seen where it is set, not where it fires.
  writeFileSync(copy, source.replace('setTimer(1000,', 'setTimer(1001,'));
  const timer = (await again(file, { script: copy })).verdict as unknown as { recorded: string; now: string };
  expect(timer.recorded).toMatch(/^sets timer \d+ for/);
  expect(timer.now).toMatch(/^sets timer \d+ for/);
  expect(timer.now).not.toBe(timer.recorded);
  // What is not done any more is found where it was done.
  writeFileSync(
    copy,
    source.replace("reactor.post(() => reactor.defer(() => console.log('deferred')))", 'void 0'),
  );
  const gone = (await again(file, { script: copy })).verdict as unknown as { recorded: string; now: string };
  expect(gone).toMatchObject({ recorded: 'queues posted: (without a name)', now: 'is done with the item' });
});

test('inputs that are not covered are named once per kind, with the line that asked', async () => {
  const script = program('uncovered.js');
  const { file, recorded } = await take(script);
  const line = (text: string): string =>
    `${script}:${String(
      readFileSync(script, 'utf8')
        .split('\n')
        .findIndex((one) => one.includes(text)) + 1,
    )}`;
  expect(recorded.summary?.uncovered).toEqual([
    { kind: 'a file by node:fs', where: `${line('readFileSync(new')} (readFileSync)` },
    { kind: 'random bytes', where: `${line('randomBytes(4)')} (randomBytes)` },
    { kind: 'the clock or a figure of the process', where: `${line('hrtime.bigint')} (hrtime)` },
    { kind: 'a child process', where: `${line('spawnSync(process')} (spawnSync)` },
    { kind: 'a timer of node:timers/promises', where: `${line('pause(1)')} (setTimeout)` },
  ]);
  const { circumstances, verdict } = await again(file);
  expect(sameAs(verdict)).toBe('same');
  expect(circumstances?.uncovered).toEqual(recorded.summary?.uncovered);
});

test.each([
  ['SIGKILL', 'cut'],
  ['SIGTERM', 'signal'],
])('a program ended by %s leaves a recording that is replayed as far as it goes', async (signal, why) => {
  const { file, recorded } = await take(program('killed.js'), [signal]);
  expect(recorded.signal).toBe(signal);
  expect(recorded.extent.events).toBeGreaterThan(20);
  expect((await again(file)).verdict).toMatchObject({ type: 'over', why, events: recorded.extent.events });
});

test('at its bound of bytes the recording ends, and the program does not', async () => {
  const { file, recorded, output } = await take(program('echo.js'), ['24'], { bytesMax: 2 ** 20 });
  expect(recorded).toMatchObject({ code: 0, summary: { ended: 'its bound of 1048576 bytes was reached' } });
  expect(recordLines(recorded, file).at(-1)).toBe(
    'covered: everything that came in until then is in the recording',
  );
  expect(statSync(file).size).toBeLessThanOrEqual(2 ** 20);
  expect(output).toMatch(/end\n$/);
  expect((await again(file)).verdict).toMatchObject({ type: 'over', why: 'limit' });
});

test('a module that was changed since is named, and the replay goes on', async () => {
  const folder = fresh('');
  const script = `${folder}.mjs`;
  const dist = new URL('../../dist/index.js', import.meta.url).href;
  const source = `import { Reactor } from '${dist}';\nconst r = new Reactor();\nr.post(() => {});\nawait r.run();\n`;
  writeFileSync(script, source);
  const { file } = await take(script);
  writeFileSync(script, `${source}// changed\n`);
  const { verdict, circumstances } = await again(file);
  expect(sameAs(verdict)).toBe('same');
  expect(circumstances?.changed).toEqual([script]);
});

test('a large buffer costs what is read into it; one read beyond a block ends the recording, and not the program', async () => {
  const script = fresh('.mjs');
  const dist = new URL('../../dist/index.js', import.meta.url).href;
  writeFileSync(
    script,
    `import { openSync } from 'node:fs';
import { descriptors } from '${dist}';
const bytes = new Uint8Array(90 * 2 ** 20);
const [readEnd, writeEnd] = descriptors.pipe();
descriptors.write(writeEnd, new Uint8Array(3));
console.log(descriptors.read(readEnd, bytes));
console.log(descriptors.read(openSync('/dev/zero', 'r'), bytes));
`,
  );
  const { file, recorded, output } = await take(script);
  expect(output).toBe(`3\n${90 * 2 ** 20}\n`);
  expect(recorded).toMatchObject({
    code: 0,
    extent: { events: 4 },
    summary: { ended: expect.stringMatching(/^one call read more/) },
  });
  const replayed = await again(file);
  expect(replayed.output).toBe('3\n');
  expect(replayed.verdict).toMatchObject({ type: 'over', why: 'limit', events: 3 });
});

test('a replay does not wait for what its program leaves behind with its output open', async () => {
  const script = fresh('.mjs');
  writeFileSync(
    script,
    `import { spawn } from 'node:child_process';
const left = spawn('sleep', ['30'], { stdio: 'inherit', detached: true });
left.unref();
console.log(left.pid);
`,
  );
  const { file, output } = await take(script);
  const replayed = await again(file);
  const pids = [output, replayed.output].map(Number);
  // Whoever had waited for them would find none.
  for (const pid of pids) {
    expect(pid).toBeGreaterThan(1); // 0 would be all of us
    expect(process.kill(pid, 'SIGKILL')).toBe(true);
  }
  expect(sameAs(replayed.verdict)).toBe('same');
});

test('--to stops at an event: the state there is the same each time, and another one event later', async () => {
  const { file } = await take(program('echo.js'), ['2']);
  const at = async (to: number): Promise<{ events: number; stateHash: string }> => {
    const { verdict } = await again(file, { to });
    expect(sameAs(verdict)).toBe('arrived');
    return verdict as unknown as { events: number; stateHash: string };
  };
  const [one, two, later] = [await at(60), await at(60), await at(90)];
  expect(one.events).toBe(60);
  expect(two).toEqual(one);
  expect(later.stateHash).not.toBe(one.stateHash);
});

test('a reactor on a ring is refused with the reason', async () => {
  const { recorded, output } = await take(program('ring.js'));
  expect(recorded.code).toBe(0);
  expect(output).toMatch(/ERR_UNSUPPORTED underloop record does not cover io_uring|no rings/);
});

describe('a recording that cannot be read', () => {
  const damaged = async (change: (bytes: Buffer) => Buffer): Promise<string> => {
    const { file } = await (recording ??= take(program('echo.js'), ['2']));
    const copy = fresh('.rec');
    writeFileSync(copy, change(readFileSync(file)));
    return copy;
  };
  let recording: ReturnType<typeof take> | null = null;

  test('is no recording, or one of another version', async () => {
    const foreign = await damaged(() => Buffer.from('ULTRACE\n and more of a trace'));
    await expect(again(foreign)).rejects.toMatchObject({ code: 'ERR_RECORDING_FORMAT' });
    const newer = await damaged((bytes) => (bytes.writeUInt32LE(99, 8), bytes));
    await expect(again(newer)).rejects.toMatchObject({
      code: 'ERR_RECORDING_VERSION',
      message: expect.stringContaining('99'),
    });
    const empty = await damaged(() => Buffer.alloc(0));
    await expect(again(empty)).rejects.toMatchObject({ code: 'ERR_RECORDING_FORMAT' });
  });

  test('is damaged: one byte that is another one is found, wherever it stands', async () => {
    const { file } = await (recording ??= take(program('echo.js'), ['2']));
    const size = statSync(file).size;
    for (const at of [30, Math.floor(size / 2), size - 2]) {
      const copy = await damaged((bytes) => ((bytes[at]! ^= 0x40), bytes));
      const found = await again(copy).then(
        ({ verdict }) => verdict as unknown as { code: string },
        (error: unknown) => error as { code: string },
      );
      expect(found).toMatchObject({ code: 'ERR_RECORDING_CORRUPT' });
    }
  });

  test('is cut: it is replayed as far as whole blocks go', async () => {
    const { file } = await take(program('killed.js'), ['SIGKILL']);
    const copy = fresh('.rec');
    copyFileSync(file, copy);
    truncateSync(copy, statSync(file).size - 7);
    expect((await again(copy)).verdict).toMatchObject({ type: 'over', why: 'cut' });
  });
});
