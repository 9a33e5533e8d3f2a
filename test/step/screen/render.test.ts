// What the screen shows of a state, without a terminal.

/* eslint-disable no-control-regex -- a terminal is told things by them */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { act, answerKey, refresh, type Doer } from '../../../src/step/screen/actions.js';
import { DIM, INVERSE, RED, type Canvas } from '../../../src/step/screen/cells.js';
import { believedEvidence, type EvidenceRow } from '../../../src/step/screen/evidence.js';
import { BINDINGS, actionOf } from '../../../src/step/screen/keys.js';
import { HEIGHT_MIN, WIDTH_MIN, layout } from '../../../src/step/screen/layout.js';
import { bar, shortBytes } from '../../../src/step/screen/panels.js';
import { draw, render } from '../../../src/step/screen/render.js';
import { PANELS, ScreenState } from '../../../src/step/screen/state.js';
import type { Command, HeldState, NextItem } from '../../../src/step/protocol.js';

const item = (fd: number, name: string, more: Partial<NextItem> = {}): NextItem => ({
  kind: 'readiness',
  fd,
  readiness: 1,
  name,
  stale: false,
  ...more,
});

function heldState(more: Partial<HeldState> = {}): HeldState {
  const next = [
    item(7, 'onAlpha'),
    item(8, 'onBeta', { stale: true }),
    item(-1, 'later', { kind: 'posted', readiness: 0 }),
  ];
  return {
    type: 'held',
    reactor: 1,
    reason: 'step',
    breakpoint: 0,
    turn: 12,
    poller: 'epoll',
    pollerFd: 5,
    next,
    left: next.length,
    registry: [7, 8].map((fd) => ({
      fd,
      slot: fd,
      generation: 1,
      interest: 1,
      trigger: 'level',
      referenced: true,
      name: `Watch${String(fd)}`,
    })),
    registrySize: 2,
    timers: [{ inMs: 99.5, name: 'tick' }],
    timerCount: 1,
    queues: { posted: 0, deferred: 2, closed: 0 },
    events: [],
    eventsLost: 0,
    source: null,
    breakpoints: [],
    ...more,
  };
}

function heldScreen(more: Partial<HeldState> = {}): ScreenState {
  const state = new ScreenState('path/to/program.js');
  const held = heldState(more);
  state.hear({ type: 'hello', pid: 4711, version: 'v20' });
  state.hear({ type: 'opened', reactor: 1, poller: 'epoll', pollerFd: 5 });
  state.evidence = believedEvidence(held);
  state.hear(held);
  return state;
}

/** Whether all cells of `text`, where it first stands, have these bits of a style. */
function isStyled({ characters, styles }: Canvas, text: string, bits: number): boolean {
  const at = characters.join('').indexOf(text);
  return at >= 0 && [...text].every((_, index) => (styles[at + index] & bits) === bits);
}

describe('a held program', () => {
  const sizes = [
    [80, 24],
    [200, 60],
    [WIDTH_MIN, HEIGHT_MIN],
    [120, 30],
  ] as const;

  test.each(sizes)('at %ix%i shows every panel and every key of the bottom line', (width, height) => {
    const lines = render(heldScreen(), width, height);
    expect(lines).toHaveLength(height);
    const text = lines.join('\n');
    for (const title of [
      'run queue: 3',
      'interest set: 2',
      'timers: 1',
      'last calls',
      'source',
      'sockets',
      'output',
    ]) {
      expect(text).toContain(`─ ${title}`);
    }
    expect(text).toContain('program.js');
    expect(text).toContain('pid 4711');
    expect(text).toContain('turn 12');
    expect(text).toContain('0 readable of fd 7: onAlpha');
    const bottom = lines.slice(-3).join(' ');
    for (const { brief } of BINDINGS) if (brief !== null) expect(bottom).toContain(brief.join(' '));
  });

  test('at any size has lines that fit, and panels that neither overlap nor leave a gap', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: WIDTH_MIN, max: 250 }),
        fc.integer({ min: HEIGHT_MIN, max: 80 }),
        fc.constantFrom(null, ...PANELS),
        (width, height, zoomed) => {
          const state = heldScreen();
          if (zoomed !== null) Object.assign(state, { zoomed: true, focus: zoomed });
          const lines = render(state, width, height);
          expect(lines).toHaveLength(height);
          const boxes = layout(0, width, height, zoomed);
          const rows = new Int32Array(width * height);
          for (const box of boxes) {
            expect(box.height).toBeGreaterThanOrEqual(2);
            for (let y = box.y; y < box.y + box.height; y++) {
              for (let x = box.x; x < box.x + box.width; x++) rows[y * width + x]++;
            }
          }
          const columns = new Set(boxes.map(({ x }) => x)).size;
          expect(rows.every((times) => times <= 1)).toBe(true);
          expect(rows.filter((times) => times === 0)).toHaveLength((columns - 1) * height);
        },
      ),
    );
  });

  test('below the smallest size says so, and how large it would have to be', () => {
    const lines = render(heldScreen(), 40, 10);
    expect(lines).toHaveLength(10);
    expect(lines.join(' ')).toContain('too small: 40x10');
    expect(lines.join(' ')).toContain(`${String(WIDTH_MIN)}x${String(HEIGHT_MIN)}`);
    for (const [width, height] of [
      [1, 1],
      [0, 0],
      [5, 3],
    ])
      expect(render(heldScreen(), width, height)).toHaveLength(height);
  });

  test('lights the phase of the next item, and marks those that have passed', () => {
    const events = [
      { type: 'waitEnd', events: 1, timeNs: 1 },
      { type: 'itemEnd', kind: 'timer', timeNs: 2 },
    ] as const;
    const { canvas } = draw(heldScreen({ events }), 120, 30);
    expect(isStyled(canvas, ' readiness 2 ', INVERSE)).toBe(true);
    expect(isStyled(canvas, ' posted 1 ', INVERSE)).toBe(false);
    expect(isStyled(canvas, ' timers ', DIM)).toBe(false);
    expect(isStyled(canvas, ' wait ', DIM)).toBe(false);
    expect(isStyled(canvas, ' flush ', DIM)).toBe(true);
    const posted = draw(heldScreen({ next: [item(-1, 'later', { kind: 'posted' })] }), 120, 30).canvas;
    expect(isStyled(posted, ' posted 1 ', INVERSE)).toBe(true);
  });

  test('tells stale items, later tasks, timers, and what is left out', () => {
    const text = render(heldScreen({ left: 70, registrySize: 600 }), 200, 60).join('\n');
    expect(text).toContain('onBeta, which has gone and will be dropped');
    expect(text).toContain('and 67 more');
    expect(text).toContain('for a later turn: posted 0, deferred 2, closed 0');
    expect(text).toContain('in 99.5 ms');
    expect(text).toContain('and 598 more');
  });

  test('names from the program cannot reach the terminal as sequences', () => {
    const state = heldScreen({
      next: [item(7, 'a\x1b[2Jb\x07')],
      timers: [{ inMs: 1, name: '\x1b]0;x\x07t' }],
    });
    state.output.push('stdout', '\x1b[5;5Hmoved\x00\n');
    state.say('bad \x1b[31m message');
    expect(render(state, 200, 60).join('\n').replaceAll('\n', '')).not.toMatch(/[\x00-\x1f\x7f]/);
  });
});

describe('evidence', () => {
  const row = (more: Partial<EvidenceRow>): EvidenceRow => ({
    fd: 7,
    description: 'Connection',
    believed: 'readable level',
    kernel: 'readable level',
    derived: null,
    rxBytes: null,
    txBytes: null,
    state: null,
    differs: false,
    ...more,
  });

  test('differences are red, and marked for those who see no red; what agrees is said once', () => {
    const state = heldScreen();
    state.evidence = [
      row({}),
      row({ fd: 9, description: 'phantom', believed: null, differs: true }),
      row({ fd: 11, description: 'forgotten', kernel: null, differs: true }),
    ];
    const { canvas } = draw(state, 200, 40);
    const text = canvas.lines().join('\n');
    expect(text).toContain('2 DIFFER');
    expect(text).toMatch(/7 {2}readable level = Connection/);
    expect(text).toMatch(/9 {2}nothing {8}≠ readable level phantom/);
    expect(text).toMatch(/11 {2}readable level ≠ nothing forgotten/);
    expect(isStyled(canvas, '≠ readable level phantom', RED)).toBe(true);
    expect(isStyled(canvas, '= Connection', RED)).toBe(false);
  });

  test('queues have bars that grow with them, one cell for eight times as much', () => {
    expect([0, 1, 8, 64, 4096, 1e9].map((bytes) => bar(bytes).trimEnd().length)).toEqual([0, 1, 2, 3, 5, 6]);
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (a, b) => {
        const cells = (bytes: number): number =>
          [...bar(bytes)].reduce((sum, one) => sum + ' ▏▎▍▌▋▊▉█'.indexOf(one), 0);
        if (a <= b) expect(cells(a)).toBeLessThanOrEqual(cells(b));
        expect(bar(a)).toHaveLength(6);
        expect(shortBytes(a).length).toBeLessThanOrEqual(5);
      }),
    );
    const state = heldScreen();
    state.evidence = [row({ rxBytes: 4096, txBytes: 0, state: 'ESTABLISHED' })];
    const text = render(state, 200, 60).join('\n');
    expect(text).toMatch(/7 ESTABLISHED +rx████▍ 4096 +tx +0/);
    expect(text).toContain('sockets: 1');
  });
});

describe('a program that runs', () => {
  function running(mainThread: string | null, silentMs: number): ScreenState {
    const state = heldScreen();
    state.go('long');
    state.nowMs = state.lastWordMs + silentMs;
    state.mainThread = mainThread;
    return state;
  }

  test('is not suspected before a second of silence', () => {
    const text = render(running(null, 999), 120, 30).join('\n');
    expect(text).toContain('RUNS');
    expect(text).not.toContain('blocked?');
  });

  test('is told to be blocked, in which call, for how long, at which item', () => {
    const state = running('futex', 2500);
    expect(state.phase).toBe('readiness');
    const text = render(state, 120, 30).join('\n');
    expect(text).toContain('BLOCKED?');
    expect(text).toContain('blocked? for 2.5 s, main thread: futex; last known: readable of fd 7: onAlpha');
  });

  test('that waits for readiness is not called blocked', () => {
    for (const call of ['epoll_wait(fd 5)', 'epoll_pwait2(fd 5)', 'poll', 'pselect6', 'kevent(fd 3)']) {
      const state = running(call, 2500);
      expect(state.phase).toBe('wait');
      expect(render(state, 120, 30).join('\n')).toContain(`waits for readiness in ${call} for 2.5 s`);
    }
  });

  test('says where it is with each beat', () => {
    const state = running(null, 0);
    state.hear({ type: 'beat', reactor: 1, turn: 345, items: 678, name: 'onGamma' });
    const text = render(state, 120, 30).join('\n');
    expect(text).toContain('turn 345, 678 items run, last known: onGamma');
  });

  test('that has crashed shows its last output alone, and its exit status', () => {
    const state = running(null, 0);
    for (let i = 0; i < 100; i++) state.output.push('stderr', `trace ${String(i)}\n`);
    state.end({ code: 7, signal: null, error: null });
    const lines = render(state, 80, 24);
    expect(lines.join('\n')).toContain('exit status 7');
    expect(lines.filter((line) => line.startsWith('trace ')).length).toBeGreaterThan(15);
    expect(lines.join('\n')).toContain('trace 99');
    state.end({ code: null, signal: 'SIGSEGV', error: null });
    expect(render(state, 80, 24).join('\n')).toContain('ended by SIGSEGV');
  });
});

describe('keys without a terminal', () => {
  class Keys implements Doer {
    readonly sent: Command[] = [];
    readonly did: string[] = [];
    readonly session = { send: (command: Command): void => void this.sent.push(command) };
    page = 5;
    constructor(readonly state: ScreenState) {}
    quit = (): void => void this.did.push('quit');
    redraw = (): void => void this.did.push('redraw');
    suspend = (): void => void this.did.push('suspend');
    press(...keys: string[]): this {
      for (const key of keys) {
        if (this.state.prompt === null) act(this, actionOf(key), key);
        else answerKey(this, key);
        refresh(this.state, draw(this.state, 80, 24));
      }
      return this;
    }
    type(text: string): this {
      return this.press(...[...text].map((one) => (one === ' ' ? 'space' : one)));
    }
  }

  test.each([
    ['s', { do: 'step', count: 1 }],
    ['t', { do: 'turn' }],
    ['c', { do: 'continue' }],
  ] as const)('%s lets a held program go', (key, command) => {
    const keys = new Keys(heldScreen()).press(key);
    expect(keys.sent).toEqual([command]);
    expect(keys.state.status).toBe('running');
  });

  test.each([
    ['S', '12', { do: 'step', count: 12 }],
    ['u', 'fd 7', { do: 'until', condition: { fd: 7 } }],
    ['b', 'kind timer', { do: 'break', condition: { kind: 'timer' } }],
    ['m', '2', { do: 'move', from: 0, to: 2 }],
    ['i', 'recv EAGAIN 7', { do: 'inject', call: 'recv', result: -11, fd: 7 }],
    ['d', '', { do: 'drop', index: 0 }],
  ] as const)('%s asks, and sends what was answered', (key, answer, command) => {
    expect(new Keys(heldScreen()).press(key).type(answer).press('enter').sent).toEqual([command]);
  });

  test('an answer that cannot be is told, and can be corrected; escape leaves', () => {
    const keys = new Keys(heldScreen()).press('u').type('fd x').press('enter');
    expect(keys.sent).toEqual([]);
    expect(render(keys.state, 120, 30).join('\n')).toMatch(/run until: fd x.*fd must be a whole number/);
    keys.press('backspace').type('8').press('enter');
    expect(keys.sent).toEqual([{ do: 'until', condition: { fd: 8 } }]);
    const left = new Keys(heldScreen()).press('u').type('fd 7').press('escape');
    expect(left.sent).toEqual([]);
    expect(left.state.prompt).toBeNull();
  });

  test('what can only be done to a held program is refused while it runs, with the way out', () => {
    for (const key of ['s', 'S', 't', 'c', 'u', 'd', 'm', 'i']) {
      const state = heldScreen();
      state.go('long');
      const keys = new Keys(state).press(key);
      expect(keys.sent).toEqual([]);
      expect(state.prompt).toBeNull();
      expect(state.message?.text).toContain('p holds it');
    }
    expect(new Keys(heldScreen()).press('p').sent).toEqual([]);
    const state = heldScreen();
    state.go('long');
    expect(new Keys(state).press('p').sent).toEqual([{ do: 'pause' }]);
  });

  test('breakpoints are numbered as the program numbers them, listed, and removed', () => {
    const keys = new Keys(heldScreen())
      .press('b')
      .type('fd 7')
      .press('enter', 'b')
      .type('error')
      .press('enter', 'B');
    expect(render(keys.state, 80, 24).join('\n')).toMatch(/1 {2}fd 7\n +2 {2}error/);
    keys.type('5').press('enter');
    expect(keys.state.message?.text).toContain('there is no breakpoint 5');
    keys.press('ctrl-u').type('1').press('enter', 'b').type('ready HANGUP').press('enter', 'B');
    expect(render(keys.state, 80, 24).join('\n')).toMatch(/2 {2}error\n +3 {2}ready HANGUP/);
    keys.type('all').press('enter');
    expect(keys.state.breakpoints.size).toBe(0);
    expect(keys.sent.slice(-3)).toEqual([
      { do: 'unbreak', number: 1 },
      expect.objectContaining({ do: 'break' }),
      { do: 'unbreak' },
    ]);
  });

  test('the arrows choose what d and m mean, and scroll other panels no further than there is something', () => {
    const keys = new Keys(heldScreen()).press('down', 'down', 'down', 'down', 'up', 'd');
    expect(keys.state.prompt?.text).toBe('1');
    keys.press('escape');
    for (let i = 0; i < 100; i++) keys.state.output.push('stdout', `line ${String(i)}\n`);
    while (keys.state.focus !== 'output') keys.press('tab');
    keys.press('home');
    expect(render(keys.state, 80, 24).join('\n')).toContain('line 0');
    keys.press('pageup', 'up', 'down');
    expect(render(keys.state, 80, 24).join('\n')).toMatch(/│line 1\n/);
    keys.press('end', 'down', 'up', 'down');
    expect(render(keys.state, 80, 24).join('\n')).toContain('line 99');
  });

  test('z enlarges the chosen panel; tab and its reverse go round', () => {
    const keys = new Keys(heldScreen()).press('z');
    expect(render(keys.state, 80, 24).filter((line) => line.startsWith('─'))).toHaveLength(1);
    const seen = PANELS.map(() => keys.press('tab').state.focus);
    expect(new Set(seen).size).toBe(PANELS.length);
    expect(keys.press('backtab').state.focus).toBe(PANELS.at(-1));
  });

  test('the help tells every key that does something, and scrolls', () => {
    const keys = new Keys(heldScreen()).press('?');
    const seen = new Set(render(keys.state, 80, 24));
    for (let i = 0; i < 10; i++)
      for (const line of render(keys.press('pagedown').state, 80, 24)) seen.add(line);
    const text = [...seen].join('\n');
    for (const { help } of BINDINGS) if (help !== null) expect(text).toContain(help[0].padEnd(28) + help[1]);
    expect(text).toContain('handler NAME');
    expect(text).toContain('standard error is yellow');
    expect(keys.press('x').state.overlay).toBe('none');
    expect(keys.sent).toEqual([]);
  });

  test('an ended program is left with a key, but not with one typed ahead; arrows still scroll', () => {
    const state = heldScreen();
    state.end({ code: 0, signal: null, error: null });
    const keys = new Keys(state).press('s', 'up', 'tab');
    expect(keys.did).toEqual([]);
    state.leaves = true;
    expect(keys.press('up').did).toEqual([]);
    expect(keys.press('s').did).toEqual(['quit']);
    expect(keys.sent).toEqual([]);
  });
});
