// Counts what a reactor reports: the observer of --quiet, and the part that all narrators share.

import { SilentObserver } from './underloop.js';

const SENDS = ['send', 'sendBytes'];

export class Tally extends SilentObserver {
  turns = 0;
  waits = 0;
  /** Readinesses that the kernel reported. */
  events = 0;
  bytesReceived = 0;
  bytesSent = 0;
  accepted = 0;
  closed = 0;
  longestTurnMs = 0;
  longestTurn = 0;
  /** How often each system call was made, by its name. */
  calls = new Map();
  /** The file descriptors of accepted connections that are open. */
  connections = new Set();
  #collectedMs = 0;

  turnBegin(_turn, _nowMs) {
    this.turns++;
  }

  waitEnd(events) {
    this.waits++;
    this.events += events;
  }

  batch(_timers, _readinesses, _posted, _deferred, _closed) {
    this.#collectedMs = performance.now();
  }

  // A turn lasts from the moment its batch stands to the end of its last item: for so long nobody else is served.
  itemEnd(_kind, _item) {
    const lastedMs = performance.now() - this.#collectedMs;
    if (lastedMs <= this.longestTurnMs) return;
    this.longestTurnMs = lastedMs;
    this.longestTurn = this.turns;
  }

  call(name, args, result) {
    const shown = SENDS.includes(name) ? 'send' : name;
    this.calls.set(shown, (this.calls.get(shown) ?? 0) + 1);
    if (name === 'recv' && result > 0) this.bytesReceived += result;
    if (SENDS.includes(name) && result > 0) this.bytesSent += result;
    if (name === 'accept' && result >= 0) {
      this.accepted++;
      this.connections.add(result);
    }
    if (name === 'close' && this.connections.delete(args[0])) this.closed++;
  }

  /** Everything counted, as plain data. */
  totals() {
    const { turns, waits, events, bytesReceived, bytesSent, accepted, closed } = this;
    const { longestTurnMs, longestTurn } = this;
    const calls = Object.fromEntries([...this.calls].sort(([a], [b]) => (a < b ? -1 : 1)));
    return {
      turns,
      waits,
      events,
      accepted,
      closed,
      bytesReceived,
      bytesSent,
      longestTurnMs,
      longestTurn,
      calls,
    };
  }
}
