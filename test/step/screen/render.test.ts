// What the screen shows of a state, without a terminal.

/* eslint-disable no-control-regex -- a terminal is told things by them */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DIM, INVERSE, RED, type Canvas } from '../../../src/step/screen/cells.js';
import type { EvidenceRow } from '../../../src/step/screen/evidence.js';
import { BINDINGS } from '../../../src/step/screen/keys.js';
import { HEIGHT_MIN, WIDTH_MIN, layout } from '../../../src/step/screen/layout.js';
import { bar, shortBytes } from '../../../src/step/screen/panels.js';
import { draw, render } from '../../../src/step/screen/render.js';
import { PANELS, type ScreenState } from '../../../src/step/screen/state.js';
import { heldScreen, item } from './fixture.js';

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
    tcp: null,
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
    state.evidence = [row({ rxBytes: 4096, txBytes: 0, state: 'ESTABLISHED', tcp: 'rtt 0.05 ms' })];
    const text = render(state, 200, 60).join('\n');
    expect(text).toMatch(/7 ESTABLISHED +rx████▍ 4096 +tx +0/);
    expect(text).toContain('sockets: 1');
    expect(render(state, 400, 60).join('\n')).toContain('Connection; rtt 0.05 ms');
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
