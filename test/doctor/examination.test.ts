// The doctor's examination itself: its programs are many and different, and its judgement counts what it says.

import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { CLASSES, generate } from './faults/index.js';
import { judgeClean, judgeFault, proofIn, summarize } from './judge.js';

const seeds = Array.from({ length: 500 }, (_, seed) => seed);

function count<T>(list: readonly T[], key: (one: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const one of list) counts[key(one)] = (counts[key(one)] ?? 0) + 1;
  return counts;
}

function syntaxErrors(text: string): string[] {
  const { diagnostics = [] } = ts.transpileModule(text, { reportDiagnostics: true, fileName: 'program.js' });
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('the programs', () => {
  const made = seeds.map((seed) => generate(seed));

  it('are the same for the same seed, and no two seeds give the same', () => {
    for (const seed of [0, 3, 77, 499]) expect(generate(seed)).toEqual(made[seed]);
    expect(new Set(made.map(({ text }) => text)).size).toBe(500);
  });

  it('have at least forty of each class, ten of each cause, and four templates each, in both halves', () => {
    for (const half of [made.slice(0, 250), made.slice(250)]) {
      const perClass = count(half, ({ expected }) => expected.class);
      for (const id of CLASSES) expect(perClass[id]).toBeGreaterThanOrEqual(30);
      const blocked = half.filter(({ expected }) => expected.class === 'blocked-handler');
      const causes = count(blocked, ({ expected }) => String(expected.cause));
      for (const cause of ['cpu', 'gc', 'syscall', 'runqueue'])
        expect(causes[cause]).toBeGreaterThanOrEqual(5);
      for (const id of CLASSES) {
        const templates = half.filter(({ expected }) => expected.class === id);
        expect(new Set(templates.map(({ expected }) => expected.template)).size).toBeGreaterThanOrEqual(4);
      }
    }
  });

  it('vary in descriptor, poller and moment within each class', () => {
    for (const id of CLASSES) {
      const ofClass = made.filter(({ expected }) => expected.class === id);
      expect(new Set(ofClass.map(({ expected }) => expected.moment)).size).toBe(4);
      const pollers = new Set(ofClass.map(({ expected }) => expected.poller)).size;
      expect(pollers).toBe(id === 'edge-not-drained' ? 1 : 3);
      const kinds = new Set(ofClass.map(({ expected }) => expected.fdKind)).size;
      expect(kinds).toBeGreaterThanOrEqual(id === 'accept-emfile' ? 1 : 4);
    }
  });

  it('stand in valid JavaScript, and the line of the handler is the one where its name stands', () => {
    for (const { text, expected } of made.filter((_, seed) => seed % 20 === 3)) {
      expect(syntaxErrors(text)).toEqual([]);
      if (expected.handler === null) continue;
      const line = text.split('\n')[expected.handler.line - 1];
      expect(expected.handler.names.some((name) => name !== '' && line.includes(name))).toBe(true);
    }
  });

  it('differ from their twins', () => {
    for (const seed of seeds.filter((one) => one % 15 === 1)) {
      const twin = generate(seed, { clean: true });
      expect(twin.text).not.toBe(made[seed].text);
      expect(syntaxErrors(twin.text)).toEqual([]);
    }
  });
});

describe('the judgement', () => {
  const expected = { class: 'blocked-handler', cause: 'gc', handler: { names: ['Desk.onJob', ''], line: 7 } };
  const right = { class: 'blocked-handler', cause: 'gc', handler: { name: 'bound onJob', line: 90 } };

  it('finds by class, cause and handler, whichever way its name is said', () => {
    const named = { ...expected, handler: { names: ['onJob'], line: 7 } };
    expect(judgeFault([right], named)).toEqual({ verdict: 'found', extra: [] });
    expect(judgeFault([{ ...right, handler: { name: '(anonymous)' } }], expected).verdict).toBe('found');
    expect(judgeFault([{ ...right, handler: { name: 'other', line: 7 } }], named).verdict).toBe('found');
    expect(judgeFault([{ ...right, handler: { name: 'other', line: 8 } }], named).verdict).toBe('handler');
    expect(judgeFault([{ ...right, handler: null }], { ...expected, handler: null }).verdict).toBe('found');
  });

  it('tells what was missed from what was taken for something else', () => {
    const other = { ...right, cause: 'cpu' };
    expect(judgeFault([], expected).verdict).toBe('missed');
    expect(
      judgeFault([{ ...right, cause: 'runqueue', handler: { line: 7 } }], expected, 'runqueue').verdict,
    ).toBe('found');
    expect(judgeFault([{ ...other, handler: { line: 7 } }], expected, 'runqueue').verdict).toBe('wrong');
    expect(judgeFault([other], expected)).toEqual({ verdict: 'wrong', extra: [other] });
    expect(judgeFault([other, { ...right, handler: { line: 7 } }], expected)).toEqual({
      verdict: 'found',
      extra: [other],
    });
    expect(judgeClean([other]).verdict).toBe('alarm');
    expect(judgeClean([]).verdict).toBe('silent');
  });

  it('passes from 99% on, leaves out what proved nothing, and forgives no false alarm', () => {
    const results = (found: number, missed: number, unproven: number, alarms: number) => [
      ...Array.from({ length: found }, () => ({ kind: 'fault', expected, verdict: 'found', extra: [] })),
      ...Array.from({ length: missed }, () => ({ kind: 'fault', expected, verdict: 'missed', extra: [] })),
      ...Array.from({ length: unproven }, () => ({
        kind: 'fault',
        expected,
        verdict: 'unproven',
        extra: [],
      })),
      ...Array.from({ length: alarms }, () => ({
        kind: 'clean',
        expected: null,
        verdict: 'alarm',
        extra: [],
      })),
    ];
    expect(summarize(results(99, 1, 0, 0))).toMatchObject({ share: 0.99, passed: true });
    expect(summarize(results(98, 2, 0, 0)).passed).toBe(false);
    expect(summarize(results(99, 0, 5, 0))).toMatchObject({ judged: 99, share: 1, passed: true });
    expect(summarize(results(99, 0, 6, 0))).toMatchObject({ share: 1, isComplete: false, passed: false });
    expect(summarize(results(99, 0, 0, 1))).toMatchObject({ alarms: 1, passed: false });
  });

  it('takes the last whole line that says whether there was a fault', () => {
    expect(proofIn('x\n{"fault":true,"evidence":{"a":1}}\nfindings: none\n')).toEqual({
      fault: true,
      evidence: { a: 1 },
    });
    expect(proofIn('{"fault":tr')).toBeNull();
    expect(proofIn('')).toBeNull();
  });
});
