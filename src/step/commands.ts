// Commands as people type them: `s 3`, `b fd 7`, `inject recv EAGAIN 7`.

import { constants } from 'node:os';
import { UnderloopError } from '../errors.js';
import { ERROR, HANGUP, PRIORITY, READABLE, READ_CLOSED, WRITABLE } from '../poller/poller.js';
import { CALLS, type InjectableCall } from '../reactor/inject.js';
import { ITEM_KINDS } from '../trace/format.js';
import type { Command, Condition } from './protocol.js';

export const COMMAND_HELP = `  s [N]          step: run one item, or N
  t              turn: run to the first item of another turn
  c              continue: run until a breakpoint, or a pause
  p              pause: hold before the next item that comes
  u COND         until: run until COND
  b COND         break: hold whenever COND
  unbreak [N]    remove breakpoint N, or all
  drop I         take ready item I (0 is the next) out of the batch
  move I J       let ready item I come at place J
  inject CALL RESULT [FD]   the next CALL gives RESULT: EAGAIN, EINTR, ECONNRESET, ..., or a number: at most so many bytes
  back [N]       in a replay: back by one item, or by N
  goto EVENT     in a replay: to the first item from event EVENT on, before or behind
  q              end the program and the session
COND: one or more of  fd N, kind readiness|timer|posted|deferred|closed|flush, handler NAME, ready READABLE|WRITABLE|READ_CLOSED|HANGUP|ERROR|PRIORITY, error`;

const READINESS: Readonly<Record<string, number>> = {
  READABLE,
  WRITABLE,
  READ_CLOSED,
  HANGUP,
  ERROR,
  PRIORITY,
};

function wrong(message: string): UnderloopError {
  return new UnderloopError('ERR_ARGUMENT', message);
}

function whole(text: string | undefined, what: string): number {
  const value = Number(text);
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw wrong(`${what} must be a whole number; got ${text ?? 'nothing'}`);
  }
  return value;
}

function oneOf<T extends string>(text: string | undefined, known: readonly T[], what: string): T {
  const found = known.find((one) => one === text);
  if (found === undefined)
    throw wrong(`${what} must be one of ${known.join(', ')}; got ${text ?? 'nothing'}`);
  return found;
}

/** `fd 7 kind readiness`. Throws ERR_ARGUMENT. */
export function parseCondition(words: readonly string[]): Condition {
  const condition: Condition = {};
  for (let at = 0; at < words.length; at++) {
    switch (words[at]) {
      case 'fd':
        condition.fd = whole(words[++at], 'fd');
        break;
      case 'kind':
        condition.kind = oneOf(words[++at], ITEM_KINDS, 'kind');
        break;
      case 'handler':
        if (words.at(at + 1) === undefined) throw wrong('handler must be followed by a part of its name');
        condition.handler = words[++at];
        break;
      case 'ready':
        condition.readiness =
          READINESS[oneOf((words.at(++at) ?? '').toUpperCase(), Object.keys(READINESS), 'ready')];
        break;
      case 'error':
        condition.error = true;
        break;
      default:
        throw wrong(`a condition is made of fd, kind, handler, ready, error; got ${words[at]}`);
    }
  }
  if (Object.keys(condition).length === 0) throw wrong('a condition is missing: such as fd 7, or kind timer');
  return condition;
}

/** How many words may follow each command; a condition has any number of them. */
const WORDS_MAX = {
  s: 1,
  t: 0,
  c: 0,
  p: 0,
  u: Infinity,
  b: Infinity,
  unbreak: 1,
  drop: 1,
  move: 2,
  inject: 3,
  back: 1,
  goto: 1,
  q: 0,
};
const LONG: Readonly<Record<string, string>> = {
  step: 's',
  turn: 't',
  continue: 'c',
  pause: 'p',
  until: 'u',
  break: 'b',
  quit: 'q',
};

/** A line as typed; 'quit' for q; null for an empty line. Throws ERR_ARGUMENT with what is wrong. */
export function parseCommand(line: string): Command | 'quit' | null {
  const [typed, ...rest] = line.trim().split(/\s+/);
  if (typed === '') return null;
  const word = (Object.hasOwn(LONG, typed) ? LONG[typed] : typed) as keyof typeof WORDS_MAX;
  if (!Object.hasOwn(WORDS_MAX, word)) {
    throw wrong(`there is no command ${typed}; there are ${Object.keys(WORDS_MAX).join(', ')}, and help`);
  }
  if (rest.length > WORDS_MAX[word])
    throw wrong(`${rest.slice(WORDS_MAX[word]).join(' ')} is too much after ${typed}`);
  switch (word) {
    case 's':
      return { do: 'step', count: rest.length === 0 ? 1 : Math.max(whole(rest[0], 'N'), 1) };
    case 't':
      return { do: 'turn' };
    case 'c':
      return { do: 'continue' };
    case 'p':
      return { do: 'pause' };
    case 'u':
      return { do: 'until', condition: parseCondition(rest) };
    case 'b':
      return { do: 'break', condition: parseCondition(rest) };
    case 'unbreak':
      return rest.length === 0 ? { do: 'unbreak' } : { do: 'unbreak', number: whole(rest[0], 'N') };
    case 'drop':
      return { do: 'drop', index: whole(rest[0], 'I') };
    case 'move':
      return { do: 'move', from: whole(rest[0], 'I'), to: whole(rest[1], 'J') };
    case 'inject':
      return parseInjection(rest);
    case 'back':
      return { do: 'back', count: rest.length === 0 ? 1 : Math.max(whole(rest[0], 'N'), 1) };
    case 'goto':
      return { do: 'goto', event: whole(rest[0], 'EVENT') };
    case 'q':
      return 'quit';
  }
}

function parseInjection([call, result, fd]: readonly (string | undefined)[]): Command {
  const named: InjectableCall = oneOf(call, CALLS, 'CALL');
  const name = result?.toUpperCase() ?? '';
  const { errno } = constants;
  const known = Object.hasOwn(errno, name) ? errno[name as keyof typeof errno] : null;
  if (known === null && !/^[1-9]\d*$/.test(name)) {
    throw wrong(
      `RESULT must be the name of an error such as EAGAIN, or a number of bytes; got ${result ?? 'nothing'}`,
    );
  }
  return {
    do: 'inject',
    call: named,
    result: known === null ? { bytesMax: whole(name, 'RESULT') } : -known,
    ...(fd !== undefined && { fd: whole(fd, 'FD') }),
  };
}
