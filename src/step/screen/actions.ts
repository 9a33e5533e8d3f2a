// What the keys do, apart from the terminal they come from.

import { UnderloopError } from '../../errors.js';
import { parseCommand } from '../commands.js';
import type { Command } from '../protocol.js';
import type { Session } from '../session.js';
import type { Action } from './keys.js';
import type { Frame } from './render.js';
import { PANELS, describeCondition, type Prompt, type ScreenState } from './state.js';

/** Who does what a key asks for. */
export interface Doer {
  readonly state: ScreenState;
  readonly session: Pick<Session, 'send'>;
  /** Rows of a page. */
  readonly page: number;
  quit(): void;
  redraw(): void;
  suspend(): void;
}

const CONDITION_HINT = 'fd N, kind K, handler NAME, ready READABLE, error';
/** Answers longer than this are typing gone wrong. */
const ANSWER_CHARACTERS_MAX = 200;

const HELD_ACTIONS: ReadonlySet<Action> = new Set([
  'step',
  'steps',
  'turn',
  'continue',
  'until',
  'drop',
  'move',
  'inject',
] as const);

/** Whether this can be done to a held program only. */
export function needsHold(action: Action): boolean {
  return HELD_ACTIONS.has(action);
}

/** `action`: what `key` is bound to; undefined: nothing. */
export function act(doer: Doer, action: Action | undefined, key: string): void {
  const { state } = doer;
  if (state.overlay === 'help') {
    if (action !== undefined && scrolls(action)) scroll(doer, action);
    else state.overlay = 'none';
    return;
  }
  state.message = null;
  if (state.status === 'ended') {
    if (action === 'zoom') state.zoomed = !state.zoomed;
    else if (action === 'nextPanel' || action === 'previousPanel') choosePanel(state, action);
    else if (action !== undefined && scrolls(action)) scroll(doer, action);
    else if (state.leaves || action === 'quit') doer.quit();
    return;
  }
  if (action === undefined) {
    if (key !== 'escape') state.say('this key does nothing; ? shows those that do', true);
    return;
  }
  switch (action) {
    case 'step':
      return run(doer, 's');
    case 'turn':
      return run(doer, 't');
    case 'continue':
      return run(doer, 'c');
    case 'back':
      return run(doer, 'back');
    case 'goto':
      return whileHeld(doer, () =>
        ask(doer, 'go to which event', 'its number', '', (text) => run(doer, `goto ${text}`)),
      );
    case 'steps':
      return whileHeld(doer, () =>
        ask(doer, 'run how many items', 'a number', '', (text) => run(doer, `s ${text}`)),
      );
    case 'until':
      return whileHeld(doer, () =>
        ask(doer, 'run until', CONDITION_HINT, '', (text) => run(doer, `u ${text}`)),
      );
    case 'pause':
      return pause(doer);
    case 'break':
      return ask(doer, 'hold whenever', CONDITION_HINT, '', (text) => setBreakpoint(doer, text));
    case 'breakpoints':
      return listBreakpoints(doer);
    case 'drop':
    case 'move':
    case 'inject':
      return whileHeld(doer, () => change(doer, action));
    case 'nextPanel':
    case 'previousPanel':
      return choosePanel(state, action);
    case 'zoom':
      state.zoomed = !state.zoomed;
      return;
    case 'redraw':
      return doer.redraw();
    case 'suspend':
      return doer.suspend();
    case 'help':
      state.overlay = 'help';
      state.overlayScroll = 0;
      return;
    case 'quit':
      return doer.quit();
    default:
      scroll(doer, action);
  }
}

function choosePanel(state: ScreenState, action: 'nextPanel' | 'previousPanel'): void {
  const at = PANELS.indexOf(state.focus) + (action === 'nextPanel' ? 1 : PANELS.length - 1);
  state.focus = PANELS[at % PANELS.length];
}

/** The command of a typed line. Throws ERR_ARGUMENT. */
function parse(line: string): Command {
  const command = parseCommand(line);
  if (command === null || command === 'quit')
    throw new UnderloopError('ERR_ARGUMENT', `${line} is no command`);
  return command;
}

function whileHeld(doer: Doer, then: () => void): void {
  const { state } = doer;
  if (state.status === 'held') then();
  else state.say('the program runs: p holds it', true);
}

function run(doer: Doer, line: string): void {
  whileHeld(doer, () => {
    const command = parse(line);
    const { state } = doer;
    const isBack = command.do === 'back' || command.do === 'goto';
    if (isBack && state.held?.replay === undefined) {
      state.say('only a replay can be gone back in: underloop record, then underloop replay', true);
      return;
    }
    if (!isBack && state.atEnd) {
      state.say('the replay is at its end: k goes back, g to an event', true);
      return;
    }
    state.go(command.do === 'continue' || command.do === 'until' ? 'long' : 'moment');
    doer.session.send(command);
  });
}

function pause({ state, session }: Doer): void {
  if (state.status === 'held') {
    state.say('the program is held already', true);
    return;
  }
  state.pausing = true;
  session.send({ do: 'pause' });
  state.say('the program will be held before its next item');
}

function setBreakpoint({ state, session }: Doer, text: string): void {
  const command = parse(`b ${text}`);
  session.send(command);
  if (command.do !== 'break') return;
  const number = state.addBreakpoint(command.condition);
  state.say(`breakpoint ${String(number)}: ${describeCondition(command.condition)}`);
}

function listBreakpoints(doer: Doer): void {
  const { state, session } = doer;
  state.overlay = 'breakpoints';
  state.overlayScroll = 0;
  ask(doer, 'remove breakpoint', 'its number, or all', '', (text) => {
    if (text === 'all') {
      session.send({ do: 'unbreak' });
      state.breakpoints.clear();
      state.say('there are no breakpoints now');
      return;
    }
    const command = parse(`unbreak ${text}`);
    if (command.do !== 'unbreak' || command.number === undefined) return;
    if (!state.breakpoints.delete(command.number)) {
      throw new UnderloopError('ERR_ARGUMENT', `there is no breakpoint ${String(command.number)}`);
    }
    session.send(command);
    state.say(`breakpoint ${String(command.number)} is removed`);
  });
}

/** Drops, moves or injects: what can be refused, and says so then. */
function change(doer: Doer, what: 'drop' | 'move' | 'inject'): void {
  const { state, session } = doer;
  const selected = String(state.selected);
  const prompts = {
    drop: ['take which item out of the batch', 'its number in the run queue', selected],
    move: ['move which item to which place', 'two numbers of the run queue', `${selected} `],
    inject: ['inject', 'CALL RESULT [FD], such as recv EAGAIN 7, or send 10', ''],
  } as const;
  const [question, hint, text] = prompts[what];
  ask(doer, question, hint, text, (answer) => {
    const command = parse(`${what} ${answer}`);
    session.send(command);
    if (command.do === 'drop') state.say(`item ${String(command.index)} is taken out of the batch`);
    if (command.do === 'move') state.say(`item ${String(command.from)} is moved to ${String(command.to)}`);
    if (command.do === 'inject') state.say(`the next ${answer.trim().split(/\s+/).join(' ')} is injected`);
  });
}

function ask({ state }: Doer, question: string, hint: string, text: string, answer: Prompt['answer']): void {
  state.message = null;
  state.prompt = { question, hint, text, answer };
}

/** A key while something is asked for. */
export function answerKey({ state }: Doer, key: string): void {
  const { prompt } = state;
  if (prompt === null) return;
  state.message = null;
  const leave = (): void => {
    state.prompt = null;
    if (state.overlay === 'breakpoints') state.overlay = 'none';
  };
  if (key === 'escape') leave();
  else if (key === 'backspace') prompt.text = prompt.text.replace(/.$/su, '');
  else if (key === 'ctrl-u') prompt.text = '';
  else if (key === 'enter') {
    if (prompt.text.trim() === '') {
      leave();
      return;
    }
    try {
      prompt.answer(prompt.text.trim());
      leave();
    } catch (error) {
      state.say((error as Error).message, true);
    }
  } else {
    const typed = key === 'space' ? ' ' : key;
    if (/^.$/su.test(typed) && prompt.text.length < ANSWER_CHARACTERS_MAX) prompt.text += typed;
  }
}

type Scroll = 'up' | 'down' | 'pageUp' | 'pageDown' | 'first' | 'last';

function scrolls(action: Action): action is Scroll {
  return ['up', 'down', 'pageUp', 'pageDown', 'first', 'last'].includes(action);
}

function scroll({ state, page }: Doer, action: Action): void {
  const rows = { up: -1, down: 1, pageUp: -page, pageDown: page, first: -Infinity, last: Infinity };
  const by = rows[action as Scroll];
  if (state.overlay === 'help') state.overlayScroll += by;
  else if (state.focus === 'queue') {
    const last = Math.max((state.held?.next.length ?? 0) - 1, 0);
    state.selected = Math.max(Math.min(state.selected + by, last), 0);
  } else if (state.focus === 'calls' || state.focus === 'output') state.scroll[state.focus] -= by;
  else state.scroll[state.focus] += by;
}

/** Takes back what was scrolled beyond an end. */
export function refresh(state: ScreenState, { scrolls: ranges }: Frame): void {
  for (const [panel, [min, max]] of ranges) {
    if (panel === 'overlay') state.overlayScroll = Math.max(Math.min(state.overlayScroll, max), min);
    else state.scroll[panel] = Math.max(Math.min(state.scroll[panel], max), min);
  }
}
