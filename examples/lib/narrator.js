// Tells in plain words what a reactor does, turn by turn. It knows only what the reactor reports to an Observer.

import { styleText } from 'node:util';
import { JsonLines, QuietJson } from './json-lines.js';
import { Tally } from './tally.js';
import { NONE, nativeKernel } from './underloop.js';
import * as words from './words.js';

const CALLS_PER_LINE = 6;

const itemWords = {
  timer: 'a timer that is due',
  posted: 'a posted task',
  deferred: 'a deferred task',
  closed: 'the close callback',
  flush: 'the flush at the end of the turn',
};

/** The narrator that the options ask for. */
export function chooseNarrator({ json, quiet, color }) {
  if (json) return quiet ? new QuietJson() : new JsonLines();
  return quiet ? new Quiet(color) : new Narrator(color);
}

/** The start and the end, in words, and nothing between them. */
class Quiet extends Tally {
  constructor(color) {
    super();
    /** Paints text where the output is a terminal that shows colours. */
    this.paint = color ? (style, text) => styleText(style, text) : (_style, text) => text;
  }

  listening(at, poller, trigger) {
    const host = { '0.0.0.0': '127.0.0.1', '::': '::1' }[at.host] ?? at.host;
    console.log(`An echo server: one thread, one loop, waiting with ${poller} (${trigger}-triggered).`);
    console.log(
      `It listens on ${this.paint('bold', words.address(at))}. Talk to it from another terminal:\n`,
    );
    console.log(`    ${this.paint('bold', `nc ${host} ${at.port}`)}\n`);
    console.log('Ctrl-C ends it.\n');
  }

  clientsStarted(count, pid) {
    console.log(`${words.plural(count, 'client')} will do that, in process ${pid}.\n`);
  }

  ending(_why) {}

  summary(report) {
    const { calls, ...total } = this.totals();
    const row = (name, text) => console.log(`  ${name.padEnd(14)}${text}`);
    console.log(this.paint('bold', '\nSummary'));
    row('turns', total.turns);
    row('waits', `${total.waits}, which brought ${words.plural(total.events, 'event')}`);
    row('connections', `${total.accepted} accepted, ${total.closed} closed`);
    row('bytes', `${total.bytesReceived} received, ${total.bytesSent} sent`);
    row('longest turn', `${words.duration(total.longestTurnMs)} (turn ${total.longestTurn})`);
    for (const [i, line] of namesAndCounts(calls).entries()) row(i === 0 ? 'system calls' : '', line);
    if (report !== undefined) row('clients', clientsInWords(report));
    for (const failure of report?.failures ?? []) row('', failure);
  }
}

/** Every turn in words. Turns that bring nothing for the program are folded into one line. */
class Narrator extends Quiet {
  /** Whose each descriptor is: "connection 1". */
  #roles = new Map();
  /** The same by registration: a close callback is told after its descriptor has gone. */
  #rolesOfItems = new WeakMap();
  #interests = new Map();
  /** Node's own loop and the slice timer: they are in the set, but do nothing for the program. */
  #hostFds = [];

  /** The turn being told; null between turns. */
  #turn = null;
  #inItem = false;
  /** The last turn brought nothing for the program. The next wait may be a long one. */
  #quiet = false;
  /** Turns not told, since nothing happened in them for the program. */
  #folded = [];
  #waitBeganMs = 0;
  #ended = false;
  /** What was last printed in the margin. */
  #label = '';

  // ---- One turn, in the order in which the reactor reports it ------------------------------------------------

  turnBegin(turn, nowMs) {
    super.turnBegin(turn, nowMs);
    this.#finishTurn();
    this.#turn = { number: turn, head: '', headPrinted: false, lines: [], eventful: false, ready: [] };
  }

  waitBegin(timeoutMs, reason) {
    const turn = this.#turn;
    turn.timeoutMs = timeoutMs;
    turn.head = waitInWords(timeoutMs, reason);
    // A wait that may be long is told when it begins: somebody is looking at the screen meanwhile.
    if (this.#quiet && timeoutMs > 1) this.#printHead();
    this.#waitBeganMs = performance.now();
  }

  waitEnd(events) {
    this.#turn.waitedMs = performance.now() - this.#waitBeganMs;
    super.waitEnd(events);
  }

  readiness(fd, bits) {
    const who = fd < 0 ? 'a registration that has gone' : this.#who(fd);
    this.#turn.ready.push({ fd, text: `${who} is ${this.paint('cyan', words.readiness(bits))}` });
  }

  batch(timers, readinesses, posted, deferred, closed) {
    super.batch(timers, readinesses, posted, deferred, closed);
    const { ready, waitedMs, timeoutMs, lines } = this.#turn;
    const reports = `the kernel reports${timeoutMs === 0 ? '' : ` after ${words.duration(waitedMs)}`}`;
    if (readinesses === 0) lines.push(`${reports}: nothing is ready`);
    else if (readinesses === 1) lines.push(`${reports}: ${ready[0].text}`);
    else lines.push(`${reports}:`, ...ready.map(({ text }) => `  ${text}`));
    const tasks = { timers, 'posted tasks': posted, 'deferred tasks': deferred, 'close callbacks': closed };
    const queued = Object.entries(tasks).filter(([, count]) => count > 0);
    if (queued.length > 0) lines.push(`also to do: ${queued.map((entry) => entry.join(': ')).join(', ')}`);
  }

  itemBegin(kind, item, fd) {
    this.#inItem = true;
    if (this.#hostFds.includes(fd)) return; // the reactor only notes that Node is to have its pass after this turn
    this.#turn.eventful = true;
    if (kind === 'readiness') this.#rolesOfItems.set(item, this.#roles.get(fd));
    else this.#tell(`runs ${itemWords[kind]}${this.#ofWhom(item)}`);
  }

  itemEnd(kind, item) {
    super.itemEnd(kind, item);
    this.#inItem = false;
  }

  stale(_slot, _generation, bits) {
    this.#turn.eventful = true;
    this.#turn.lines.push(`drops a readiness (${words.readiness(bits)}): nobody asks for it any more`);
  }

  error(error, kind) {
    this.#tell(this.paint('red', `a ${kind} handler threw: ${error?.message ?? error}`));
  }

  // ---- What happens inside a turn, or between two --------------------------------------------------------------

  call(name, args, result) {
    super.call(name, args, result);
    const comment = this.#learn(name, args, result);
    const style = result < 0 ? 'yellow' : 'green';
    this.#tell(`${this.paint(style, words.call(name, args, result))}${comment}`);
  }

  interest(change, fd, bits) {
    const explanation = this.#roles.has(fd) ? '' : this.#learnHost(fd);
    const who = this.#who(fd);
    const parked = this.#interests.get(fd) === NONE;
    if (change === 'remove') this.#interests.delete(fd);
    else this.#interests.set(fd, bits);
    const size = [...this.#interests.values()].filter((interest) => interest !== NONE).length;
    const sentence = {
      add: `added to the interest set: ${words.readiness(bits)}`,
      modify: `interest changed to: ${words.readiness(bits)}`,
      park: 'parked: out of the set, for nothing is asked of it now',
      remove: parked ? 'forgotten; it was out of the set already' : 'removed from the interest set',
    }[change];
    this.#tell(`${who} ${this.paint('magenta', sentence)} (${size} in the set)`);
    if (explanation !== '') this.#tell(this.paint('dim', `  ${explanation}`));
  }

  listening(at, poller, trigger) {
    super.listening(at, poller, trigger);
    this.#label = '';
  }

  ending(why) {
    this.#finishTurn();
    this.#flushFolded();
    this.#ended = true;
    this.#print('end', [this.paint('bold', `closing everything: ${why}`)]);
  }

  summary(report) {
    this.#finishTurn();
    this.#flushFolded();
    super.summary(report);
  }

  // ---- Who is who ----------------------------------------------------------------------------------------------

  #who(fd) {
    return `fd ${fd} (${this.#roles.get(fd) ?? 'unknown'})`;
  }

  #ofWhom(item) {
    const role = typeof item === 'object' ? this.#rolesOfItems.get(item) : undefined;
    return role === undefined ? '' : ` of ${role}`;
  }

  /** Keeps account of descriptors as calls make and close them. Returns what is worth adding to the call. */
  #learn(name, args, result) {
    const [fd] = args;
    if (result < 0) return '';
    if (name === 'socket') this.#roles.set(result, 'a new socket');
    if (name === 'listen') this.#roles.set(fd, 'the listening socket');
    if (name === 'openReserve') this.#roles.set(result, 'the reserve');
    if (name === 'close') this.#roles.delete(fd);
    if (name === 'accept') {
      this.#roles.set(result, `connection ${this.accepted}`);
      return `: connection ${this.accepted}`;
    }
    // The reactor's buffer still holds what was read into it, or was sent from it.
    if (name === 'recv' || name === 'send') return this.#bytes(nativeKernel.buffer, args[1], result);
    if (name === 'sendBytes') return this.#bytes(args[1], args[2], result);
    return '';
  }

  #bytes(buffer, start, length) {
    return length === 0 ? '' : ` ${words.preview(buffer.subarray(start, start + length))}`;
  }

  /**
   * What is registered and was made by no call of the program's is the host's. Two of them are added when run()
   * begins: first the runtime's own loop, then (on Linux) the timer that ends a busy stretch. Returns what it is for.
   */
  #learnHost(fd) {
    const [role, explanation] =
      this.#hostFds.length === 0
        ? ["Node's own loop", 'through it, whatever Node waits for wakes us']
        : ['the slice timer', "it ends a busy stretch, so that Node's loop gets its pass"];
    this.#roles.set(fd, role);
    this.#hostFds.push(fd);
    return explanation;
  }

  // ---- Printing ------------------------------------------------------------------------------------------------

  /** A line of the current item, or, when none runs, of what the program does between two turns. */
  #tell(line) {
    if (this.#turn !== null && this.#inItem) {
      this.#turn.lines.push(line);
      return;
    }
    this.#finishTurn();
    this.#print(this.#ended ? 'end' : this.turns === 0 ? 'start' : 'between', [line]);
  }

  #finishTurn() {
    const turn = this.#turn;
    if (turn === null) return;
    this.#turn = null;
    this.#quiet = !turn.eventful;
    if (!turn.eventful && !turn.headPrinted) {
      this.#folded.push(turn);
      return;
    }
    if (!turn.headPrinted) this.#printHead(turn);
    this.#print(`turn ${turn.number}`, turn.lines);
    if (!turn.eventful)
      this.#print(`turn ${turn.number}`, ["nothing for the program: Node's loop gets its pass"]);
  }

  #printHead(turn = this.#turn) {
    this.#flushFolded();
    turn.headPrinted = true;
    this.#print(`turn ${turn.number}`, [turn.head]);
  }

  #flushFolded() {
    const first = this.#folded[0]?.number;
    const last = this.#folded.at(-1)?.number;
    if (first === undefined) return;
    const ready = new Set(this.#folded.flatMap((turn) => turn.ready.map(({ fd }) => fd)));
    const why = [...ready].map((fd) => this.#who(fd)).join(', ');
    const label = first === last ? `turn ${first}` : `turns ${first}-${last}`;
    this.#folded = [];
    this.#print(label, [
      this.paint('dim', `nothing for the program: Node's loop gets its pass${why && `; ready: ${why}`}`),
    ]);
  }

  #print(label, lines) {
    for (const line of lines) {
      console.log(`${this.paint('bold', (label === this.#label ? '' : label).padEnd(12))} ${line}`);
      this.#label = label;
    }
  }
}

function waitInWords(timeoutMs, reason) {
  const atMost = timeoutMs === 0 ? 'only looks (0 ms)' : `waits ${words.duration(timeoutMs)} at most`;
  switch (reason) {
    case 'queued':
      return `${atMost}: work is queued already`;
    case 'timer':
      return `${atMost}: the nearest timer is due then`;
    case 'host':
      return `${atMost}: Node's own loop is to have its pass${timeoutMs === 0 ? '' : ' by then'}`;
    default:
      return 'waits without a timeout: nothing is queued, and no timer is set';
  }
}

function clientsInWords({ stopped, connections, bytesSent, bytesReceived, failures }) {
  if (stopped) return 'stopped before they had finished';
  const verdict =
    failures.length === 0 ? 'every byte as it was sent' : words.plural(failures.length, 'failure');
  return `${connections} finished; ${bytesSent} bytes sent, ${bytesReceived} came back: ${verdict}`;
}

/** The calls and how often each was made, a few to a line. */
function namesAndCounts(calls) {
  const pairs = Object.entries(calls).map(([name, count]) => `${name} ${count}`);
  const lines = [];
  for (let i = 0; i < pairs.length; i += CALLS_PER_LINE)
    lines.push(pairs.slice(i, i + CALLS_PER_LINE).join(', '));
  return lines;
}
