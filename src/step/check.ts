// Checks of commands as they come from outside: whoever drives the protocol may be no program of ours.

import { argumentError, checkFd, checkInteger, checkObject } from '../errors.js';
import { ITEM_KINDS } from '../trace/format.js';
import type { Command, Condition } from './protocol.js';

const COUNT_MAX = Number.MAX_SAFE_INTEGER;
/** A handler's name that somebody types, or a part of it. */
const NAME_CHARACTERS_MAX = 1000;

/** The value as a command. Throws ERR_ARGUMENT. What `inject`, `drop` and `move` name is checked where it is done. */
export function checkCommand(value: unknown): Command {
  checkObject('command', value);
  const command = value as Command;
  switch (command.do) {
    case 'step':
      checkInteger('count', command.count, 1, COUNT_MAX);
      return command;
    case 'until':
    case 'break':
      checkCondition(command.condition);
      return command;
    case 'unbreak':
      if (command.number !== undefined) checkInteger('number', command.number, 1, COUNT_MAX);
      return command;
    case 'turn':
    case 'continue':
    case 'pause':
    case 'drop':
    case 'move':
      return command;
    case 'back':
      checkInteger('count', command.count, 1, COUNT_MAX);
      return command;
    case 'goto':
      checkInteger('event', command.event, 0, COUNT_MAX);
      return command;
    case 'inject':
      if (typeof command.result !== 'number') checkObject('result', command.result);
      return command;
    default:
      throw argumentError(
        'do',
        'one of step, turn, until, continue, pause, break, unbreak, back, goto, drop, move, inject',
        (value as { do: unknown }).do,
      );
  }
}

function checkCondition(condition: Condition): void {
  checkObject('condition', condition);
  const { fd, kind, handler, readiness, error } = condition;
  if (fd !== undefined) checkFd('condition.fd', fd);
  if (kind !== undefined && !ITEM_KINDS.includes(kind)) {
    throw argumentError('condition.kind', `one of ${ITEM_KINDS.join(', ')}`, kind);
  }
  if (handler !== undefined && (typeof handler !== 'string' || handler.length > NAME_CHARACTERS_MAX)) {
    throw argumentError('condition.handler', "a part of a handler's name", handler);
  }
  if (readiness !== undefined) checkInteger('condition.readiness', readiness, 1, 0xff);
  if (error !== undefined && typeof error !== 'boolean') {
    throw argumentError('condition.error', 'true or false', error);
  }
  if (Object.values(condition).every((one) => one === undefined || one === false)) {
    throw argumentError('condition', 'one or more of fd, kind, handler, readiness, error', condition);
  }
}
