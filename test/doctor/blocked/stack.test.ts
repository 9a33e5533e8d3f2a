// The stack of a blocked item: from the profile's samples within it, from an interruption, and lines from the source.

import type { Profiler } from 'node:inspector';
import { expect, test } from 'vitest';
import { blankLiterals, callLine, lastLine } from '../../../src/doctor/blocked/call-line.js';
import { lookAt, mergeStacks } from '../../../src/doctor/blocked/stack.js';

const REACTOR = 'file:///p/dist/reactor/reactor.js';
const PROGRAM = 'file:///app/server.js';

type Tree = [name: string, url: string, line: number, ...children: Tree[]];

/** Nodes are numbered from the root in the order in which they stand. */
function profileOf(tree: Tree, samples: readonly (readonly [atMs: number, id: number, line?: number])[]) {
  const nodes: Profiler.ProfileNode[] = [];
  const add = ([functionName, url, line, ...children]: Tree): number => {
    const node: Profiler.ProfileNode = {
      id: nodes.length + 1,
      callFrame: { functionName, url, scriptId: '1', lineNumber: line - 1, columnNumber: 0 },
    };
    nodes.push(node);
    node.children = children.map(add);
    return node.id;
  };
  add(tree);
  for (const [, id, line] of samples) {
    if (line === undefined) continue;
    const ticks = (nodes[id - 1].positionTicks ??= []);
    const known = ticks.find((tick) => tick.line === line);
    if (known === undefined) ticks.push({ line, ticks: 1 });
    else known.ticks++;
  }
  let before = 0;
  const timeDeltas = samples.map(([atMs]) => {
    const delta = atMs * 1000 - before;
    before = atMs * 1000;
    return delta;
  });
  return { nodes, startTime: 0, endTime: before, samples: samples.map(([, id]) => id), timeDeltas };
}

const tree: Tree = [
  '(root)',
  '',
  0,
  ['(garbage collector)', '', 0],
  [
    'runItem',
    REACTOR,
    150, // 3
    ['onData', PROGRAM, 10, ['parse', PROGRAM, 20, ['read', '', 0]], ['other', PROGRAM, 30]], // 4, 5, 6, 7
  ],
];

test('only samples within the item count, and the stack ends where the reactor begins', () => {
  const look = lookAt(
    profileOf(tree, [
      [5, 7, 31],
      [6, 7, 31],
      [11, 5, 22],
      [12, 5, 23],
      [13, 5, 23],
      [14, 2],
    ]),
    10,
    20,
  );
  expect(look).toMatchObject({ samples: 4, gc: 0.25 });
  expect(look.stack).toMatchObject([
    { function: 'parse', file: '/app/server.js', line: 23, exact: true },
    { function: 'onData', file: '/app/server.js', line: 10, exact: false },
  ]);
});

test('a native function stands on top without a line, and the line is its caller’s', () => {
  const { stack } = lookAt(profileOf(tree, [[11, 6, 24]]), 10, 20);
  // All functions of an addon share a name, so it is not told.
  expect(stack.map(({ function: name, line }) => [name, line])).toEqual([
    ['(native)', 0],
    ['parse', 24],
    ['onData', 10],
  ]);
});

test('the call by which the host drains promises is no frame of the program', () => {
  const host = 'file:///p/dist/reactor/host.js';
  const drained: Tree = ['(root)', '', 0, ['drain', host, 70, ['any', '', 0, ['onData', PROGRAM, 10]]]];
  const { stack } = lookAt(profileOf(drained, [[11, 4, 12]]), 10, 20);
  expect(stack.map(({ function: name, line }) => [name, line])).toEqual([['onData', 12]]);
});

test('of several functions the path is that on which most samples lie', () => {
  const { stack } = lookAt(
    profileOf(tree, [
      [11, 5, 21],
      [12, 7, 31],
      [13, 7, 31],
      [14, 4, 12],
    ]),
    10,
    20,
  );
  expect(stack.map((frame) => frame.function)).toEqual(['other', 'onData']);
});

test('an interruption gives the lines of calls that are the same, and no others', () => {
  const look = lookAt(profileOf(tree, [[11, 5, 21]]), 10, 20);
  const floor = { function: 'runItem', file: REACTOR, line: 157 };
  const inParse = { function: 'parse', file: PROGRAM, line: 22 };
  const at = (line: number) => ({ function: 'onData', file: PROGRAM, line });
  const lines = (stack: readonly { line: number }[]) => stack.map(({ line }) => line);
  expect(lines(mergeStacks(look, [inParse, at(13), floor]))).toEqual([21, 13]);
  // Of another call of the same function.
  expect(lines(mergeStacks(look, [{ ...inParse, function: 'other' }, at(14), floor]))).toEqual([21, 10]);
  // When it was over.
  expect(lines(mergeStacks(look, [inParse, at(13)]))).toEqual([21, 10]);
  expect(lines(mergeStacks(look, null))).toEqual([21, 10]);
});

test('where all samples fell into collections, the stack is that of the interruption', () => {
  const look = lookAt(
    profileOf(tree, [
      [11, 2],
      [12, 2],
    ]),
    10,
    20,
  );
  expect(look.stack).toEqual([]);
  const interrupted = [
    { function: '', file: PROGRAM, line: 13 },
    { function: 'runItem', file: REACTOR, line: 157 },
  ];
  expect(mergeStacks(look, interrupted)).toMatchObject([
    { function: '(anonymous)', file: '/app/server.js', line: 13 },
  ]);
});

const source = `
function first(path) { return readSync(1); }
const handler = (fd, { size = 1 } = {}) => {
  // readSync(fd) in a comment
  const text = 'readSync(2)' + \`readSync(3)\` + /readSync(4)["']/.source;
  const half = size / 2; if (text) { other(); }
  fs.readSync(fd, text);
  twice(); twice();
  thrice(); if (half) thrice();
  thrice();
  return xreadSync(5);
};
readSync(6);
`;

test('the line of a call is found where the function calls it once, or more than once on one line', () => {
  const column = source.split('\n')[2].indexOf('(');
  expect(callLine(source, 3, column, 'readSync')).toBe(7);
  expect(callLine(source, 3, column, 'twice')).toBe(8);
  expect(callLine(source, 3, column, 'thrice')).toBeNull();
  expect(callLine(source, 3, column, 'first')).toBeNull();
  expect(callLine(source, 2, 14, 'readSync')).toBe(2);
  expect(callLine(source, 99, 0, 'readSync')).toBeNull();
});

test('a function ends where its body or its expression does', () => {
  expect(lastLine(source, 2, 14)).toBe(2);
  expect(lastLine(source, 3, source.split('\n')[2].indexOf('('))).toBe(12);
  expect(lastLine('list.map((a) =>\n  a + 1,\n);\nrest();', 1, 9)).toBe(2);
  expect(lastLine(source, 99, 0)).toBe(99);
});

test('the call of a regular expression is found by the methods that run one', () => {
  const text = 'function check(input) {\n  log(input);\n  return /^(a+)+$/.test(input);\n}\n';
  expect(callLine(text, 1, 14, 'RegExp: ^(a+)+$')).toBe(3);
});

test('literals are blanked in place', () => {
  const text = 'a("b") / c; d(/x"/g) // e\n/* f */ `g\n${h}` + i';
  const blanked = blankLiterals(text);
  expect(blanked).toHaveLength(text.length);
  expect(blanked).toBe(`a(   ) / c; d(    g)${' '.repeat(5)}\n${' '.repeat(10)}\n${' '.repeat(5)} + i`);
});
