// The same for programs: what the reactor reports as JSON, one object per line. Times are in milliseconds.

import { Tally } from './tally.js';
import * as words from './words.js';

/** The start and the end as JSON, one object per line. */
export class QuietJson extends Tally {
  listening(at, poller, trigger) {
    printJson('listening', { host: at.host, port: at.port, poller, trigger });
  }
  clientsStarted(count, pid) {
    printJson('clientsStarted', { count, pid });
  }
  ending(why) {
    printJson('ending', { why });
  }
  summary(report) {
    printJson('summary', { ...this.totals(), ...(report === undefined ? {} : { clients: report }) });
  }
}

/** Every report of the reactor as JSON, one object per line, nothing folded. */
export class JsonLines extends QuietJson {
  turnBegin(turn, nowMs) {
    super.turnBegin(turn, nowMs);
    printJson('turnBegin', { turn, nowMs });
  }
  waitBegin(timeoutMs, reason) {
    printJson('waitBegin', { timeoutMs: timeoutMs === Infinity ? 'Infinity' : timeoutMs, reason });
  }
  waitEnd(events) {
    super.waitEnd(events);
    printJson('waitEnd', { events });
  }
  readiness(fd, bits, slot, generation) {
    printJson('readiness', { fd, readiness: words.readiness(bits), bits, slot, generation });
  }
  batch(timers, readinesses, posted, deferred, closed) {
    super.batch(timers, readinesses, posted, deferred, closed);
    printJson('batch', { timers, readinesses, posted, deferred, closed });
  }
  itemBegin(kind, _item, fd, bits) {
    printJson('itemBegin', { kind, fd, bits });
  }
  itemEnd(kind, item) {
    super.itemEnd(kind, item);
    printJson('itemEnd', { kind });
  }
  stale(slot, generation, bits) {
    printJson('stale', { slot, generation, bits });
  }
  interest(change, fd, bits, slot, generation) {
    printJson('interest', { change, fd, interest: words.readiness(bits), bits, slot, generation });
  }
  timerSet(timer) {
    printJson('timerSet', { deadlineMs: timer.deadlineMs });
  }
  error(error, kind) {
    printJson('error', { kind, message: String(error?.message ?? error) });
  }
  call(name, args, result) {
    super.call(name, args, result);
    const error = result < 0 ? { error: words.errorCode(result) } : {};
    const plain = args.map((arg) => (arg instanceof Uint8Array ? { bytes: arg.length } : arg));
    printJson('call', { name, args: plain, result, ...error });
  }
}

function printJson(event, fields) {
  console.log(JSON.stringify({ event, ...fields }));
}
