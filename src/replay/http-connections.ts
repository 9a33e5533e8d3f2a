// node:http keeps the connections of a server in a set that is ordered by addresses in memory. For a recorded and a replayed
// program they have the order in which they came: so it closes them.

import * as http from 'node:http';

/** The runtime's own, beneath its servers. */
interface List {
  all(): Parser[];
  idle(): Parser[];
  active(): Parser[];
  expired(headersTimeoutMs: number, requestTimeoutMs: number): Parser[];
}
interface Parser {
  readonly socket?: object | null;
}

type Emit = (this: http.Server, event: string | symbol, ...args: unknown[]) => boolean;

const LISTS = ['all', 'idle', 'active'] as const;

/**
 * `expired`: what is given for those that a server gives up by its own clock (headersTimeout, requestTimeout), `found` being
 * what it has found.
 */
export function orderHttpConnections(expired: (found: Parser[]) => Parser[]): void {
  const numbers = new WeakMap<object, number>();
  const known = new WeakSet<List>();
  let last = 0;

  function put(server: http.Server): void {
    const place = Object.getOwnPropertySymbols(server).find(
      ({ description }) => description === 'http.server.connections',
    );
    const list = place === undefined ? null : (Reflect.get(server, place) as List | null | undefined);
    if (list === null || list === undefined || known.has(list)) return;
    known.add(list);
    const numberOf = ({ socket }: Parser): number => numbers.get(socket ?? {}) ?? 0;
    for (const name of LISTS) {
      const own = list[name].bind(list);
      list[name] = () => own().sort((a, b) => numberOf(a) - numberOf(b));
    }
    const own = list.expired.bind(list);
    list.expired = (headersMs, requestMs) => expired(own(headersMs, requestMs));
  }

  const prototype = http.Server.prototype as unknown as { emit: Emit };
  const { emit } = prototype;
  prototype.emit = function (event, ...args) {
    const [socket] = args;
    if (event === 'connection' && typeof socket === 'object' && socket !== null) numbers.set(socket, ++last);
    const heard = Reflect.apply(emit, this, [event, ...args]);
    if (event === 'listening') put(this); // its own listener has made the list
    return heard;
  };
}
