// Finds the line of source where a function begins, by asking the runtime's own debugger from within.

import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import type { SourceLine } from './protocol.js';

/** Where the debugger finds the function that it is asked about. */
const SUBJECT = Symbol.for('underloop.step.subject');
/** bind() of bind() of ...: so deep it is looked into. */
const BOUND_DEPTH_MAX = 16;

interface Location {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber?: number;
}

/** One connection to the debugger of this thread; calls on it are answered at once. */
export class SourceFinder {
  private readonly session = new Session();
  private readonly urls = new Map<string, string>();
  private readonly known = new WeakMap<object, SourceLine | null>();

  constructor() {
    this.session.connect();
    this.session.on('Debugger.scriptParsed', ({ params }) => this.urls.set(params.scriptId, params.url));
    this.session.post('Debugger.enable');
    // A `debugger` statement of the program must not stop the thread that would have to go on.
    this.session.post('Debugger.setSkipAllPauses', { skip: true });
  }

  /** Of a bound function: that which it calls. Null for what is no function, native ones, and code that came from no file. */
  find(subject: unknown): SourceLine | null {
    if (typeof subject !== 'function') return null;
    const known = this.known.get(subject);
    if (known !== undefined) return known;
    const found = this.ask(subject);
    this.known.set(subject, found);
    return found;
  }

  close(): void {
    this.session.disconnect();
  }

  private ask(subject: object): SourceLine | null {
    const place = globalThis as Record<symbol, unknown>;
    place[SUBJECT] = subject;
    let objectId: string | undefined;
    const expression = `globalThis[Symbol.for(${JSON.stringify(SUBJECT.description)})]`;
    this.session.post('Runtime.evaluate', { expression, objectGroup: 'underloop' }, (error, answer) => {
      if (error === null) objectId = answer.result.objectId;
    });
    Reflect.deleteProperty(place, SUBJECT);
    const location = objectId === undefined ? undefined : this.locate(objectId, BOUND_DEPTH_MAX);
    this.session.post('Runtime.releaseObjectGroup', { objectGroup: 'underloop' });
    const url = location === undefined ? undefined : this.urls.get(location.scriptId);
    if (location === undefined || url?.startsWith('file:') !== true) return null;
    return {
      path: fileURLToPath(url),
      line: location.lineNumber + 1,
      column: (location.columnNumber ?? 0) + 1,
    };
  }

  private locate(objectId: string, depth: number): Location | undefined {
    let location: Location | undefined;
    let target: string | undefined;
    this.session.post('Runtime.getProperties', { objectId, ownProperties: true }, (error, properties) => {
      if (error !== null) return;
      const internal = (wanted: string) =>
        properties.internalProperties?.find(({ name }) => name === wanted)?.value;
      location = internal('[[FunctionLocation]]')?.value as Location | undefined;
      target = internal('[[TargetFunction]]')?.objectId;
    });
    return target === undefined || depth === 0 ? location : this.locate(target, depth - 1);
  }
}
