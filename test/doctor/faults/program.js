// Puts a program together: imports, declarations, what it does at its end, and the handlers that it is known by.

/** Stands before a handler's name in the text, so that its line is known; taken out at the end. */
const MARK = '§';

const methodOwners = ['Session', 'Worker', 'Gateway', 'Station', 'Desk', 'Keeper', 'Clerk'];

/** One program that is being written. */
export class Program {
  #imports = new Map();
  #before = [];
  #body = [];
  #end = [];
  #evidence = [];
  #count = 0;
  #options = [];
  #names = [];
  #leads = false;

  /** `poller`: what its reactor waits with. `clean`: written without the mistake. */
  constructor(draw, { poller, clean, durationMs }) {
    this.draw = draw;
    this.poller = poller;
    this.clean = clean;
    this.durationMs = durationMs;
    this.faultTest = 'false';
    this.use('underloop', 'Reactor');
    this.use('node:fs', 'readFileSync');
  }

  use(module, ...names) {
    const known = this.#imports.get(module) ?? new Set();
    for (const name of names) known.add(name);
    this.#imports.set(module, known);
  }
  /** An option of its reactor, as text. */
  reactorOption(text) {
    this.#options.push(text);
  }
  /** Statements before the reactor is made. */
  before(text) {
    this.#before.push(text);
  }
  add(text) {
    this.#body.push(text);
  }
  /** Statements of its end, before the evidence is printed. */
  atEnd(text) {
    this.#end.push(text);
  }
  /** The text of the condition that proves the mistake, and what is shown for it. */
  proves(test, evidence) {
    this.faultTest = test;
    this.#evidence.push(evidence);
  }
  /** A name that nothing else has. */
  fresh(name) {
    this.#count++;
    return `${name}${this.#count}`;
  }

  /** Calls `body` every `ms` until the end: by a timer of the reactor or of Node. */
  every(ms, name, body) {
    const byNode = this.draw.chance(0.4);
    const tick = this.fresh('tick');
    this.add(`function ${name}() {\n${body}\n}`);
    if (byNode) {
      this.add(`const ${tick} = setInterval(${name}, ${ms});`);
      this.atEnd(`clearInterval(${tick});`);
    } else {
      this.add(`function ${tick}() {\n${name}();\nreactor.setTimer(${ms}, ${tick});\n}`);
      this.add(`reactor.setTimer(${ms}, ${tick});`);
    }
  }
  /** Calls `body` once, in `ms`. */
  later(ms, name, body) {
    const byNode = this.draw.chance(0.3);
    this.add(`function ${name}() {\n${body}\n}`);
    this.add(byNode ? `setTimeout(${name}, ${ms});` : `reactor.setTimer(${ms}, ${name});`);
  }

  /**
   * Writes a handler in one of the ways in which people write them. Gives `ref`, the text that hands it over, and
   * `call(args)`, the text that calls it. The first one marked `expected` is whom the finding must name.
   */
  handler(name, params, body, { expected = true, async = '' } = {}) {
    const style = this.draw.pick(['function', 'arrow', 'method', 'bound']);
    const mark = expected && !this.#leads ? MARK : '';
    const own = [name];
    let ref = name;
    let call = (args) => `${name}(${args})`;
    if (style === 'function') this.add(`${mark}${async}function ${name}(${params}) {\n${body}\n}`);
    else if (style === 'arrow') this.add(`${mark}const ${name} = ${async}(${params}) => {\n${body}\n};`);
    else {
      const owner = this.fresh(this.draw.pick(methodOwners));
      const object = owner[0].toLowerCase() + owner.slice(1);
      this.add(
        `class ${owner} {\n${mark}${async}${name}(${params}) {\n${body}\n}\n}\nconst ${object} = new ${owner}();`,
      );
      ref =
        style === 'bound'
          ? `${object}.${name}.bind(${object})`
          : `(${params}) => ${object}.${name}(${params})`;
      call = (args) => `${object}.${name}(${args})`;
      own.push(`bound ${name}`, `${owner}.${name}`);
      if (style === 'method') own.push(''); // the arrow has no name of its own
    }
    if (expected) {
      this.#names.push(...own);
      this.#leads = true;
    }
    return { name, ref, call };
  }
  /** Others that the finding may name just as well. */
  alsoNamed(...names) {
    this.#names.push(...names);
  }
  /** The library's own handler stands between the reactor and the program's: nobody can tell which one it is by name. */
  namelessHandler() {
    this.#names = [];
    this.#leads = true;
    this.nameless = true;
  }

  /** The text, and the handler to be named: `{ names, line }`, or null where none is asked for. */
  finish() {
    const options = [`poller: '${this.poller}'`, ...this.#options].join(',\n');
    const evidence = [...this.#evidence, 'runDelayMs: runDelayMs() - runDelayBeforeMs'].join(', ');
    const imports = [...this.#imports]
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([module, names]) => `import { ${[...names].sort().join(', ')} } from '${module}';`);
    const text = [
      ...imports,
      '',
      `function runDelayMs() {
try {
return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
} catch {
return 0;
}
}`,
      ...this.#before,
      `const reactor = new Reactor({\n${options},\n});`,
      'const startedMs = reactor.now();',
      'const runDelayBeforeMs = runDelayMs();',
      ...this.#body,
      `function finish() {
${this.#end.join('\n')}
console.log(JSON.stringify({ fault: ${this.faultTest}, evidence: { ${evidence} } }));
reactor.close();
}`,
      `reactor.setTimer(${this.durationMs}, finish);`,
      'await reactor.run();',
      '',
    ].join('\n');
    const lines = indented(text.replaceAll(/\n{2,}(?!function runDelayMs)/g, '\n'));
    const at = lines.findIndex((line) => line.includes(MARK));
    const handler =
      this.nameless || this.#names.length === 0 ? null : { names: [...new Set(this.#names)], line: at + 1 };
    return { text: lines.join('\n').replaceAll(MARK, ''), handler };
  }
}

/** Indents by the brackets that are open: enough for what is written here, which has none in its strings. */
function indented(text) {
  const open = []; // for each line that opens more than it closes, how many more
  return text.split('\n').map((raw) => {
    const line = raw.trim();
    const code = line.replaceAll(/'[^']*'/g, '');
    const first = /^[)\]}]*/.exec(code)[0].length;
    const rest = (code.match(/[([{]/g) ?? []).length - (code.match(/[)\]}]/g) ?? []).length + first;
    const isWithin = close(open, first);
    const depth = open.length - (isWithin ? 1 : 0);
    if (rest < 0) close(open, -rest);
    else if (rest > 0 && isWithin) open[open.length - 1] += rest;
    else if (rest > 0) open.push(rest);
    return line === '' ? '' : '  '.repeat(depth) + line;
  });
}

/** Closes `count` brackets. Returns whether the line that opened the last of them has others open still. */
function close(open, count) {
  let isWithin = false;
  while (count > 0 && open.length > 0) {
    const closed = Math.min(count, open.at(-1));
    count -= closed;
    open[open.length - 1] -= closed;
    isWithin = open.at(-1) > 0;
    if (!isWithin) open.pop();
  }
  return isWithin;
}
