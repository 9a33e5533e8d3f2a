// Commands as people type them: `s 3`, `b fd 7`, `inject recv EAGAIN 7`.

import { constants } from 'node:os';
import { UnderloopError } from '../errors.js';
import { HANGUP, PRIORITY, READABLE, WRITABLE } from '../poller/poller.js';
import type { InjectableCall } from '../reactor/inject.js';
import type { Command, Condition } from './protocol.js';

export const COMMAND_HELP = `  s [N]          step: run one item, or N
  t              turn: run to the first item of another turn
  c              continue: run until a breakpoint, or a pause
  p              pause: hold before the next item
  u COND         until: run until COND
  b COND         break: hold whenever COND
  unbreak [N]    remove breakpoint N, or all
  drop I         take ready item I (0 is the next) out of the batch
  move I J       let ready item I come at place J
  inject CALL RESULT [FD]   the next CALL gives RESULT: EAGAIN, EINTR, ECONNRESET, ..., or a number: at most so many bytes
  q              end the program and the session
COND: one or more of  fd N, kind readiness|timer|posted|deferred|closed|flush, handler NAME, ready READABLE|WRITABLE|HANGUP, error`;

const READINESS: Readonly<Record<string, number>> = { READABLE, WRITABLE, HANGUP, PRIORITY };
const KINDS = ['timer', 'readiness', 'posted', 'deferred', 'closed', 'flush'] as const;
const CALLS = ['socket', 'accept', 'connect', 'recv', 'send', 'shutdown', 'setOption', 'getOption'] as const;

function wrong(message: string): UnderloopError {
  return new UnderloopError('ERR_ARGUMENT', message);
}

function whole(text: string | undefined, what: string): number {
  if (text === undefined || !/^\d+$/.test(text))
    throw wrong(`${what} must be a whole number; got ${String(text)}`);
  return Number(text);
}

function oneOf<T extends string>(text: string | undefined, known: readonly T[], what: string): T {
  const found = known.find((one) => one === text);
  if (found === undefined) throw wrong(`${what} must be one of ${known.join(', ')}; got ${String(text)}`);
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
        condition.kind = oneOf(words[++at], KINDS, 'kind');
        break;
      case 'handler':
        if (words[at + 1] === undefined) throw wrong('handler must be followed by a part of its name');
        condition.handler = words[++at];
        break;
      case 'ready':
        condition.readiness = READINESS[oneOf(words[++at], Object.keys(READINESS), 'ready')];
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

/** A line as typed; 'quit' for q; null for an empty line. Throws ERR_ARGUMENT with what is wrong. */
export function parseCommand(line: string): Command | 'quit' | null {
  const [word, ...rest] = line.trim().split(/\s+/);
  switch (word) {
    case '':
      return null;
    case 's':
    case 'step':
      return { do: 'step', count: rest.length === 0 ? 1 : Math.max(whole(rest[0], 'N'), 1) };
    case 't':
    case 'turn':
      return { do: 'turn' };
    case 'c':
    case 'continue':
      return { do: 'continue' };
    case 'p':
    case 'pause':
      return { do: 'pause' };
    case 'u':
    case 'until':
      return { do: 'until', condition: parseCondition(rest) };
    case 'b':
    case 'break':
      return { do: 'break', condition: parseCondition(rest) };
    case 'unbreak':
      return rest.length === 0 ? { do: 'unbreak' } : { do: 'unbreak', number: whole(rest[0], 'N') };
    case 'drop':
      return { do: 'drop', index: whole(rest[0], 'I') };
    case 'move':
      return { do: 'move', from: whole(rest[0], 'I'), to: whole(rest[1], 'J') };
    case 'inject':
      return parseInjection(rest);
    case 'q':
    case 'quit':
      return 'quit';
    default:
      throw wrong(`there is no command ${word}; there are s, t, c, p, u, b, unbreak, drop, move, inject, q`);
  }
}

function parseInjection([call, result, fd]: readonly string[]): Command {
  const named: InjectableCall = oneOf(call, CALLS, 'CALL');
  const errno = (constants.errno as Partial<Record<string, number>>)[result];
  if (errno === undefined && !/^[1-9]\d*$/.test(result)) {
    throw wrong(`RESULT must be the name of an error such as EAGAIN, or a number of bytes; got ${result}`);
  }
  return {
    do: 'inject',
    call: named,
    result: errno === undefined ? { bytesMax: Number(result) } : -errno,
    ...(fd !== undefined && { fd: whole(fd, 'FD') }),
  };
}
