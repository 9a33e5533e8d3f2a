// What the keys do, without a terminal.

import { describe, expect, test } from 'vitest';
import { act, answerKey, refresh, type Doer } from '../../../src/step/screen/actions.js';
import { BINDINGS, actionOf } from '../../../src/step/screen/keys.js';
import { draw, render } from '../../../src/step/screen/render.js';
import { PANELS, type ScreenState } from '../../../src/step/screen/state.js';
import type { Command } from '../../../src/step/protocol.js';
import { heldScreen } from './fixture.js';

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
