// Finds the line of source where a function begins, by asking the runtime's own debugger from within.

import { Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import type { SourceLine } from './protocol.js';

/** Where the debugger finds the function that it is asked about. */
const SUBJECT = 'underloop.step.subject';

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
  }

  /** Null for what is no function, bound or native ones, and code that came from no file. */
  find(subject: unknown): SourceLine | null {
    if (typeof subject !== 'function') return null;
    const known = this.known.get(subject);
    if (known !== undefined) return known;
    const found = this.ask(subject);
    this.known.set(subject, found);
    return found;
  }

  private ask(subject: object): SourceLine | null {
    const place = globalThis as Record<symbol, unknown>;
    place[Symbol.for(SUBJECT)] = subject;
    let location: Location | undefined;
    this.session.post(
      'Runtime.evaluate',
      { expression: `globalThis[Symbol.for(${JSON.stringify(SUBJECT)})]` },
      (error, answer) => {
        const objectId = answer.result.objectId;
        if (error !== null || objectId === undefined) return;
        this.session.post(
          'Runtime.getProperties',
          { objectId, ownProperties: true },
          (refused, properties) => {
            if (refused !== null) return;
            const internal = properties.internalProperties?.find(
              ({ name }) => name === '[[FunctionLocation]]',
            );
            location = internal?.value?.value as Location | undefined;
          },
        );
        this.session.post('Runtime.releaseObject', { objectId });
      },
    );
    Reflect.deleteProperty(place, Symbol.for(SUBJECT));
    const url = location === undefined ? undefined : this.urls.get(location.scriptId);
    if (location === undefined || url?.startsWith('file:') !== true) return null;
    return {
      path: fileURLToPath(url),
      line: location.lineNumber + 1,
      column: (location.columnNumber ?? 0) + 1,
    };
  }
}
