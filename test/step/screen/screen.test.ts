// The screen on a real pseudo-terminal: every key of the bottom line, and the terminal as it was, however it ends.

/* eslint-disable no-control-regex -- a terminal is told things by them */

import { constants } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import type { Emulator } from './emulator.js';
import { KEYS, ScreenRun } from './pty.js';

const { SIGTERM, SIGHUP, SIGINT } = constants.signals;
const runs: ScreenRun[] = [];
afterEach(() => {
  for (const run of runs.splice(0)) run.close();
});

async function ring(
  mode = 'run',
  options: { width?: number; height?: number; env?: object } = {},
): Promise<ScreenRun> {
  const run = new ScreenRun('programs/ring.js', [mode], { ...options, env: { ...options.env } });
  runs.push(run);
  await run.until(/next: readable of fd \d+: onAlpha/);
  await run.until(/gamma is fd/);
  return run;
}

/** The terminal as it was: settings, alternate screen left, cursor shown, lines wrap. */
async function expectRestored(run: ScreenRun, status = 0): Promise<void> {
  const ended = await run.ended;
  expect(ended.after).toBe(ended.before);
  expect(ended.status).toBe(status);
  const { alternate, cursorShown, wraps } = run.screen;
  expect({ alternate, cursorShown, wraps }).toEqual({ alternate: false, cursorShown: true, wraps: true });
}

const next = (name: string): RegExp => new RegExp(`^held.*next: readable of fd \\d+: ${name}`, 'm');
const rows = (screen: Emulator, pattern: RegExp): number =>
  screen.lines.filter((line) => pattern.test(line)).length;
const turnOf = (screen: Emulator): number => Number(/turn (\d+)/.exec(screen.text)?.[1]);

describe.each([
  [80, 24],
  [200, 60],
])('at %ix%i every key does what the bottom line says', (width, height) => {
  const size = { width, height };

  test('s steps, also typed ahead; S steps N; t goes to the next turn', async () => {
    const run = await ring('run', size);
    const first = turnOf(run.screen);
    await run.press('s', next('onBeta'));
    await run.until(/alpha got 1/);
    await run.press('ss', next('onAlpha'));
    await run.until(/gamma got 1/);
    await run.press('S', /run how many items:/);
    await run.press('2\r', next('onGamma'));
    await run.press('t', next('onAlpha'));
    expect(turnOf(run.screen)).toBeGreaterThan(first + 1);
    run.type('q');
    await expectRestored(run);
    expect(run.ending?.holds).toBe(6);
  });

  test('c goes on and shows beats, p and space pause', async () => {
    const run = await ring('run', size);
    for (const pause of ['p', ' ']) {
      await run.press('c', /RUNS[^]*turn \d+, \d+ items run, last known: on(Alpha|Beta|Gamma)/);
      await run.press(pause, /^held: paused; next/m);
    }
    run.type('q');
    await expectRestored(run);
  });

  test('u runs until; b sets breakpoints, B lists and removes them', async () => {
    const run = await ring('run', size);
    await run.press('u', /run until:/);
    await run.press('handler Gamma\r', /^held: the condition is met; next: .*onGamma/m);
    await run.press('b', /hold whenever:/);
    await run.press('handler Beta\r', /breakpoint 1: handler Beta/);
    await run.press('c', /^held at breakpoint 1; next: .*onBeta/m);
    await run.press('B', /breakpoints ─[^]* 1 {2}handler Beta[^]*remove breakpoint:/);
    await run.press('1\r', /breakpoint 1 is removed/);
    await run.press('t', next('onAlpha'));
    await run.press('bfd x\r', /fd must be a whole number/);
    await run.press(KEYS.escape, (screen) => !screen.text.includes('hold whenever'));
    run.type('q');
    await expectRestored(run);
  });

  test('d drops the chosen item, m moves one, i injects a result', async () => {
    const run = await ring('run', size);
    // Descriptors of the reactor's host may be in a batch too: on a slow machine the slice's timer is.
    for (let turn = turnOf(run.screen); !/run queue: 3\b/.test(run.screen.text); turn = turnOf(run.screen)) {
      await run.press('t', (screen) => turnOf(screen) > turn && next('onAlpha').test(screen.text));
    }
    await run.press(`${KEYS.down}d`, /take which item out of the batch: 1/);
    await run.press('\r', /run queue: 2[^]*0 readable of fd \d+: onAlpha[^]*1 readable of fd \d+: onGamma/);
    await run.press('m', /move which item to which place: 1/);
    await run.press('\x151 0\r', next('onGamma'));
    await run.press('i', /inject:/);
    await run.press('recv ECONNRESET\r', /the next recv ECONNRESET is injected/);
    await run.press('s', /gamma got -104/);
    run.type('q');
    await expectRestored(run);
  });

  test('tab and arrows choose panels and scroll, z zooms, ? helps', async () => {
    const run = await ring('run', size);
    const inverse = (title: string) => (screen: Emulator) => screen.hasStyled(` ${title}`, 7);
    await run.press('\t', inverse('interest set'));
    await run.press(KEYS.right, inverse('timers'));
    await run.press(KEYS.backtab + KEYS.left, inverse('run queue'));
    await run.press(KEYS.left, inverse('output'));
    await run.press('z', (screen) => !screen.text.includes('run queue') && rows(screen, /is fd/) === 3);
    await run.press('z', /run queue/);
    await run.press(KEYS.left + KEYS.left, (screen) => rows(screen, /ring\.js:\d+ /) === 1);
    await run.press(KEYS.home, /1 \/\/ Three sockets that are/);
    await run.press('?', /─ help ─[^]*run the next item/);
    await run.press(KEYS.pageDown, /COND: /);
    await run.press('x', /run queue/);
    run.screen.received = 0;
    await run.press(KEYS.ctrlL, (screen) => screen.raw.slice(-screen.received).includes('\x1b[2J'));
    run.type('q');
    await expectRestored(run);
  });

  test('q ends the program, and gives the terminal back', async () => {
    const run = await ring('run', size);
    expect(run.screen.alternate).toBe(true);
    expect(run.screen.cursorShown).toBe(false);
    run.type('q');
    await expectRestored(run);
    expect(run.ending).toEqual({ code: null, signal: 'SIGTERM', holds: 1, stopped: true });
  });
});

test('the keys are the screen’s: the program has no terminal to read them from', async () => {
  const run = await ring();
  await run.press(`${KEYS.left}z`, /input is no terminal/);
  run.type('q');
  await expectRestored(run);
});

describe('a program that says nothing', () => {
  test('is told to be blocked, in what and for how long, while the screen goes on', async () => {
    const run = await ring('block', { width: 120, height: 30 });
    const blocked = /BLOCKED\?[^]*blocked\? for (\d+\.\d) s, main thread: futex; last known: .*onBeta/;
    await run.press('ss', blocked);
    const first = Number(blocked.exec(run.screen.text)?.[1]);
    await run.until((screen) => Number(blocked.exec(screen.text)?.[1]) > first, 'the time goes on');
    expect(run.screen.hasStyled(' readiness ', 7)).toBe(true);
    await run.press('s', /the program runs: p holds it/);
    run.type('q'); // SIGTERM cannot be handled by a blocked program, but by default it ends it
    await expectRestored(run);
    expect(run.ending?.signal).toBe('SIGTERM');
  });

  test('because it computes is told to be running', async () => {
    const run = await ring('busy', { width: 120, height: 30 });
    await run.press('ss', /blocked\? for .* s, main thread: running/);
    run.type('q');
    await expectRestored(run);
  });
});

describe('the terminal is as it was', () => {
  test('after a crash of the program: its last output and exit status stay until a key', async () => {
    const run = await ring('crash');
    await run.press('ss', /ended with exit status 1[^]*Error: crashed on purpose[^]*any other key leaves/);
    await run.press(KEYS.home, /wide 漢字 and red and \^G and {2}the end/);
    await run.press(KEYS.down, /any other key leaves/);
    expect(run.screen.alternate).toBe(true);
    run.type('x');
    await expectRestored(run);
    expect(run.ending).toMatchObject({ code: 1, signal: null });
  });

  test('after the program’s own end', async () => {
    const run = await ring('end');
    await run.press('ss', /ended with exit status 0[^]*any other key leaves/);
    run.type(KEYS.ctrlC);
    await expectRestored(run);
    expect(run.ending?.code).toBe(0);
  });

  test('after Ctrl-C, of a held program and of one that runs', async () => {
    const held = await ring();
    held.type(KEYS.ctrlC);
    const free = await ring();
    await free.press('c', /RUNS/);
    free.type(KEYS.ctrlC);
    await expectRestored(held);
    await expectRestored(free);
  });

  test.each([
    ['SIGTERM', SIGTERM],
    ['SIGHUP', SIGHUP],
    ['SIGINT', SIGINT],
  ])('after %s', async (_name, signal) => {
    const run = await ring();
    run.signal(signal);
    await expectRestored(run);
    expect(run.ending?.signal).toBe('SIGTERM');
  });

  test('after an exception of our own, which can be read then', async () => {
    const run = new ScreenRun('programs/ring.js', [], { env: { THROW_AT_HOLD: '1' } });
    runs.push(run);
    await expectRestored(run, 1);
    expect(run.screen.raw).toContain('\x1b[?1049h');
    expect(run.screen.main).toContain('thrown on purpose');
  });

  test('when a script cannot be loaded', async () => {
    const run = new ScreenRun('programs/no-such-file.js');
    runs.push(run);
    await run.until(/ended with exit status 1[^]*ERR_MODULE_NOT_FOUND[^]*any other key leaves/);
    run.type(' ');
    await expectRestored(run);
  });
});

test('Ctrl-Z gives the terminal back, and takes it again when the program goes on', async () => {
  const run = await ring();
  // This session has no shell that could wake us: the signal does nothing, and we go on at once.
  await run.press('\x1a', ({ raw }) => /\x1b\[\?1049l[^]*\x1b\[\?1049h/.test(raw));
  await run.press('s', next('onBeta'));
  run.type('q');
  await expectRestored(run);
});

describe('the size', () => {
  test('changes while it is shown, down to one that is too small, and back', async () => {
    const run = await ring();
    run.resize(200, 60);
    await run.until(/interest set[^]*q quit/);
    expect(run.screen.lines[59]).toContain('q quit');
    run.resize(40, 10);
    await run.until(/too small: 40x10/);
    run.resize(80, 24);
    await run.until(next('onAlpha'));
    await run.press('s', next('onBeta'));
    run.resize(20, 5);
    await run.until(/small: 20x5/);
    run.type('q');
    await expectRestored(run);
  });
});

test('without colours where NO_COLOR says so, and with them else', async () => {
  const colour = /\x1b\[[\d;]*3[1-6]m/;
  const [without, withThem] = [await ring('run', { env: { NO_COLOR: '1' } }), await ring()];
  expect(without.screen.raw).not.toMatch(colour);
  expect(withThem.screen.raw).toMatch(colour);
  for (const run of [without, withThem]) {
    run.type('q');
    await expectRestored(run);
  }
});

test('rows of evidence are asked for at each hold; what is thrown there is shown, and nothing ends', async () => {
  const row = {
    fd: 99,
    description: 'phantom',
    believed: null,
    kernel: 'readable',
    derived: null,
    state: 'ESTAB',
  };
  const evidence = JSON.stringify([{ ...row, rxBytes: 64, txBytes: null, differs: true }]);
  const run = await ring('run', { width: 160, height: 40, env: { EVIDENCE: evidence } });
  await run.until(/99 {2}nothing +≠ readable phantom of turn \d+/);
  await run.until(/99 ESTAB +rx██▍ +64/);
  expect(run.screen.hasStyled('≠ readable phantom', 31)).toBe(true);
  const broken = await ring('run', {
    width: 160,
    height: 40,
    env: { EVIDENCE: '[{}]', EVIDENCE_THROWS: '1' },
  });
  await broken.until(/no evidence: not today[^]*readable level +onAlpha/);
  for (const one of [run, broken]) {
    one.type('q');
    await expectRestored(one);
  }
});

test('a terminal is needed, and that is said', async () => {
  const run = new ScreenRun('programs/ring.js', [], { env: { TERM: 'dumb' } });
  runs.push(run);
  await expectRestored(run, 1);
  expect(run.screen.main).toContain('a screen needs a terminal');
});
