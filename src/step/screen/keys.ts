// The keys of the screen: from bytes to names, and what each does. The bottom line and the help are made from this table.

export type Action =
  | 'step'
  | 'steps'
  | 'turn'
  | 'continue'
  | 'back'
  | 'goto'
  | 'pause'
  | 'until'
  | 'break'
  | 'breakpoints'
  | 'drop'
  | 'move'
  | 'inject'
  | 'nextPanel'
  | 'previousPanel'
  | 'up'
  | 'down'
  | 'pageUp'
  | 'pageDown'
  | 'first'
  | 'last'
  | 'zoom'
  | 'redraw'
  | 'suspend'
  | 'help'
  | 'quit';

interface Binding {
  readonly keys: readonly string[];
  readonly action: Action;
  /** Key and word for the bottom line; null: only in the help. */
  readonly brief: readonly [string, string] | null;
  /** Key and sentence for the help; null: it stands with another. */
  readonly help: readonly [string, string] | null;
}

const bind = (
  keys: string,
  action: Action,
  brief: Binding['brief'],
  help: Binding['help'] = null,
): Binding => ({ keys: keys.split(' '), action, brief, help });

export const BINDINGS: readonly Binding[] = [
  bind('s', 'step', ['s', 'step'], ['s', 'run the next item']),
  bind('S', 'steps', ['S', 'N'], ['S', 'run N items']),
  bind('t', 'turn', ['t', 'turn'], ['t', 'run to the first item of another turn']),
  bind('c', 'continue', ['c', 'go'], ['c', 'run until a breakpoint, or a pause']),
  bind('k', 'back', null, ['k', 'in a replay: back by one item']),
  bind('g', 'goto', null, ['g', 'in a replay: to an event, before or behind']),
  bind('p space', 'pause', ['p', 'pause'], ['p, space', 'hold before the next item']),
  bind('u', 'until', ['u', 'until'], ['u', 'run until a condition holds']),
  bind('b', 'break', ['b', 'break'], ['b', 'set a breakpoint: hold when a condition holds']),
  bind('B', 'breakpoints', ['B', 'list'], ['B', 'list the breakpoints, and remove some']),
  bind('d', 'drop', ['d', 'drop'], ['d', 'take a readiness out of the batch']),
  bind('m', 'move', ['m', 'move'], ['m', 'move a readiness to the place of another']),
  bind('i', 'inject', ['i', 'inject'], ['i', 'give the next call a result, such as EAGAIN']),
  bind('tab right', 'nextPanel', ['tab', 'panel'], ['tab, arrows left and right', 'choose a panel']),
  bind('backtab left', 'previousPanel', null),
  bind('up', 'up', ['↑↓', 'scroll'], ['arrows up and down', 'scroll the panel, or choose a ready item']),
  bind('down', 'down', null),
  bind('pageup', 'pageUp', null, ['page up, page down', 'scroll by a page']),
  bind('pagedown', 'pageDown', null),
  bind('home', 'first', null, ['home, end', 'scroll to the first or the last line']),
  bind('end', 'last', null),
  bind('z', 'zoom', ['z', 'zoom'], ['z', 'the chosen panel alone, and back']),
  bind('?', 'help', ['?', 'help'], ['?', 'this help']),
  bind('ctrl-l', 'redraw', null, ['ctrl-l', 'draw everything anew']),
  bind('ctrl-z', 'suspend', null, ['ctrl-z', 'back to the shell; fg returns here']),
  bind('q ctrl-c', 'quit', ['q', 'quit'], ['q, ctrl-c', 'end the program and leave']),
];

const actions = new Map(BINDINGS.flatMap(({ keys, action }) => keys.map((key) => [key, action] as const)));

export function actionOf(key: string): Action | undefined {
  return actions.get(key);
}

const SEQUENCES: Readonly<Record<string, string>> = {
  '[A': 'up',
  '[B': 'down',
  '[C': 'right',
  '[D': 'left',
  '[H': 'home',
  '[F': 'end',
  '[Z': 'backtab',
  '[1~': 'home',
  '[4~': 'end',
  '[5~': 'pageup',
  '[6~': 'pagedown',
  '[7~': 'home',
  '[8~': 'end',
  OA: 'up',
  OB: 'down',
  OC: 'right',
  OD: 'left',
  OH: 'home',
  OF: 'end',
};

const CONTROLS: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\x7f': 'backspace',
  '\b': 'backspace',
  ' ': 'space',
};

// eslint-disable-next-line no-control-regex
const KEY = /\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])|[^]/gu;
// eslint-disable-next-line no-control-regex
const UNFINISHED = /\x1b(?:\[[0-?]*[ -/]*|O)?$/;

/** Names keys: a letter is itself, others are `up`, `enter`, `escape`, `ctrl-c`, ... */
export class KeyReader {
  private rest = '';

  /** The keys in a piece of input. One that may not be whole yet is kept. */
  push(text: string): string[] {
    const all = this.rest + text;
    this.rest = UNFINISHED.exec(all)?.[0] ?? '';
    return names(all.slice(0, all.length - this.rest.length));
  }

  get unfinished(): boolean {
    return this.rest !== '';
  }

  /** Nothing more came: what was kept is whole. */
  flush(): string[] {
    const { rest } = this;
    this.rest = '';
    return names(rest);
  }
}

function names(text: string): string[] {
  const found: string[] = [];
  for (const [key] of text.matchAll(KEY)) {
    const known = CONTROLS[key] as string | undefined;
    if (known !== undefined) found.push(known);
    else if (key === '\x1b') found.push('escape');
    else if (key.startsWith('\x1b'))
      found.push(key.slice(1) in SEQUENCES ? SEQUENCES[key.slice(1)] : 'unknown');
    else if (key < ' ') found.push(`ctrl-${String.fromCharCode(key.charCodeAt(0) + 0x60)}`);
    else found.push(key);
  }
  return found;
}
