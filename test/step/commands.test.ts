// Commands as typed and as sent: what is understood, and that whatever else is typed is refused in words.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HANGUP, READABLE, READ_CLOSED } from '../../src/index.js';
import { UnderloopError } from '../../src/errors.js';
import { checkCommand } from '../../src/step/check.js';
import { COMMAND_HELP, parseCommand, parseCondition } from '../../src/step/commands.js';
import { ITEM_KINDS } from '../../src/trace/format.js';
import { thrown } from '../reactor/fixture.js';

describe('a line', () => {
  test.each([
    ['s', { do: 'step', count: 1 }],
    ['  step 12 ', { do: 'step', count: 12 }],
    ['s 0', { do: 'step', count: 1 }],
    ['t', { do: 'turn' }],
    ['continue', { do: 'continue' }],
    ['p', { do: 'pause' }],
    ['u fd 7 kind readiness', { do: 'until', condition: { fd: 7, kind: 'readiness' } }],
    ['b handler data error', { do: 'break', condition: { handler: 'data', error: true } }],
    ['unbreak', { do: 'unbreak' }],
    ['unbreak 2', { do: 'unbreak', number: 2 }],
    ['drop 0', { do: 'drop', index: 0 }],
    ['move 3 1', { do: 'move', from: 3, to: 1 }],
    ['inject recv EAGAIN 7', { do: 'inject', call: 'recv', result: -constants.errno.EAGAIN, fd: 7 }],
    ['inject send 10', { do: 'inject', call: 'send', result: { bytesMax: 10 } }],
    ['inject accept emfile', { do: 'inject', call: 'accept', result: -constants.errno.EMFILE }],
    ['q', 'quit'],
    ['', null],
    ['   ', null],
  ])('%j is %j', (line, command) => {
    expect(parseCommand(line)).toEqual(command);
  });
  test.each([
    ['x', 'there is no command x'],
    ['toString', 'there is no command toString'],
    ['s many', 'N must be a whole number; got many'],
    ['s 99999999999999999999', 'whole number'],
    ['s 1 2', '2 is too much after s'],
    ['t now', 'now is too much'],
    ['u', 'a condition is missing'],
    ['b fd', 'fd must be a whole number; got nothing'],
    ['b kind item', 'kind must be one of'],
    ['b ready never', 'ready must be one of READABLE'],
    ['b handler', 'handler must be followed'],
    ['b 7', 'a condition is made of fd'],
    ['drop', 'I must be a whole number; got nothing'],
    ['move 1', 'J must be a whole number; got nothing'],
    ['inject', 'CALL must be one of'],
    ['inject read EAGAIN', 'CALL must be one of'],
    ['inject recv', 'RESULT must be the name of an error'],
    ['inject recv toString', 'RESULT must be the name of an error'],
    ['inject recv 0', 'RESULT must be the name of an error'],
    ['inject recv EAGAIN x', 'FD must be a whole number'],
  ])('%j is refused: %s', (line, message) => {
    const error = thrown(() => parseCommand(line)) as UnderloopError;
    expect(error.code).toBe('ERR_ARGUMENT');
    expect(error.message).toContain(message);
  });
  test('whatever is typed is a command that may be sent, or refused with ERR_ARGUMENT', () => {
    const words = [
      's',
      't',
      'u',
      'b',
      'fd',
      'kind',
      'ready',
      'handler',
      'error',
      'inject',
      'recv',
      'EAGAIN',
      'drop',
    ];
    const first = ['s', 't', 'u', 'b', 'unbreak', 'inject', 'drop', 'move', '', 'x'];
    const word = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...words) },
      { weight: 3, arbitrary: fc.nat(9).map(String) },
      { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
    );
    let understood = 0;
    fc.assert(
      fc.property(fc.constantFrom(...first), fc.array(word, { maxLength: 3 }), (beginning, rest) => {
        const typed = [beginning, ...rest];
        try {
          const command = parseCommand(typed.join(' '));
          if (command === null || command === 'quit') return;
          expect(checkCommand(JSON.parse(JSON.stringify(command)))).toEqual(command);
          understood++;
        } catch (error) {
          expect((error as UnderloopError).code).toBe('ERR_ARGUMENT');
        }
      }),
      { numRuns: 2000 },
    );
    expect(understood).toBeGreaterThan(100);
  });
  test('each command that there is stands in the help', () => {
    for (const word of ['s', 't', 'c', 'p', 'u', 'b', 'unbreak', 'drop', 'move', 'inject', 'q']) {
      expect(COMMAND_HELP).toMatch(new RegExp(`^  ${word}\\b`, 'm'));
    }
    const document = new URL('../../docs/step-commands.md', import.meta.url);
    expect(readFileSync(document, 'utf8')).toContain(`\n${COMMAND_HELP}\n`);
  });
});

describe('a condition', () => {
  test('is the same however its parts are ordered', () => {
    const condition = fc.record(
      {
        fd: fc.nat(),
        kind: fc.constantFrom(...ITEM_KINDS),
        handler: fc.stringMatching(/^[a-zA-Z]+$/),
        readiness: fc.constantFrom(
          ['readable', READABLE] as const,
          ['HANGUP', HANGUP] as const,
          ['read_closed', READ_CLOSED] as const,
        ),
        error: fc.constant(true as const),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(condition, fc.infiniteStream(fc.nat(1000)), (given, order) => {
        const { readiness, ...rest } = given;
        const parts = Object.entries(rest).map(([name, value]) =>
          name === 'error' ? name : `${name} ${String(value)}`,
        );
        if (readiness !== undefined) parts.push(`ready ${readiness[0]}`);
        fc.pre(parts.length > 0);
        const shuffled = parts
          .map((part) => [order.next().value as number, part] as const)
          .sort(([a], [b]) => a - b);
        const words = shuffled
          .map(([, part]) => part)
          .join(' ')
          .split(' ');
        expect(parseCondition(words)).toEqual({ ...rest, ...(readiness && { readiness: readiness[1] }) });
      }),
    );
  });
});

describe('a command as sent', () => {
  test.each([
    null,
    7,
    {},
    { do: 'explode' },
    { do: 'step' },
    { do: 'step', count: 0 },
    { do: 'step', count: 1.5 },
    { do: 'step', count: null },
    { do: 'until' },
    { do: 'until', condition: {} },
    { do: 'until', condition: { error: false } },
    { do: 'break', condition: { fd: -1 } },
    { do: 'break', condition: { kind: 'item' } },
    { do: 'break', condition: { handler: 7 } },
    { do: 'break', condition: { readiness: 0 } },
    { do: 'unbreak', number: 'x' },
    { do: 'inject', call: 'recv', result: null },
  ])('%j is refused', (value) => {
    expect((thrown(() => checkCommand(value)) as UnderloopError).code).toBe('ERR_ARGUMENT');
  });
});
