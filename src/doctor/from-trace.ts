// The rules over a recorded trace: those that a trace can decide.

import { readTrace } from '../trace/index.js';
import { Diagnosis } from './diagnosis.js';
import type { Finding } from './finding.js';
import { Ledger } from './ledger.js';
import { Taker } from './scene.js';

/** What a trace does not tell, so that nobody takes silence for health. */
export const UNDECIDED: readonly string[] = [
  'edge-not-drained: a trace tells neither triggers nor what lies unread in the kernel',
  "unbounded-write-queue: a trace does not tell the program's write() calls",
  'blocked-handler: how long, but not why',
  "stale-readiness: only what shows in events and registrations, not the kernel's own list",
];

/** Registrations and tasks of these are none of the program's own. */
const HOSTS = 'HostSource';
const NET = new Set(['Connection', 'Listener', 'DatagramSocket', 'SystemCalls', 'Executor', HOSTS]);

export interface TraceDiagnosis {
  readonly findings: readonly Finding[];
  readonly lost: number;
  readonly events: number;
  /** The trace's end is missing. */
  readonly truncated: boolean;
}

/** `source`: a file, or the bytes of a trace. Throws what readTrace() throws. */
export function diagnoseTrace(
  source: string | Uint8Array,
  { blockedMs }: { blockedMs?: number } = {},
): TraceDiagnosis {
  const trace = readTrace(source);
  const ledger = new Ledger(
    (hint) => (hint === null ? null : { name: hint.name, file: null, line: 0 }),
    () => undefined,
  );
  let poller = '';
  let loops = 0;
  let diagnosis = open();
  let events = 0;

  function open(): Diagnosis {
    const name = `reactor ${++loops}`;
    const made: Diagnosis = new Diagnosis({
      poller,
      pollerFd: -1,
      isRaw: false,
      eyes: null,
      report: (draft) => {
        const { turn, beganMs } = made.scene;
        ledger.add({ name, poller, turn, beganMs }, draft);
      },
      ...(blockedMs !== undefined && { blockedMs }),
    });
    return made;
  }

  const takers = new Map<string, Taker>();
  const takerOf = (kind: Taker['kind'], name: string, fd: number): Taker => {
    const key = `${kind} ${name} ${fd}`;
    let taker = takers.get(key);
    if (taker === undefined)
      takers.set(key, (taker = new Taker(key, kind, name, fd, name === HOSTS, !NET.has(name))));
    return taker;
  };
  const deadlines = new Map<number, number>();
  let began = false;

  for (const event of trace) {
    const nowMs = event.timeNs / 1e6;
    events++;
    if (!began) {
      diagnosis.begin(nowMs);
      began = true;
    }
    diagnosis.setTime(nowMs);
    const { scene } = diagnosis;
    switch (event.type) {
      case 'reactorOpened':
        ({ poller } = event);
        loops = 0;
        diagnosis = open();
        diagnosis.begin(nowMs);
        break;
      case 'reactorClosed':
        diagnosis.finish();
        break;
      case 'turnBegin':
        diagnosis.turnBegin(event.turn);
        break;
      case 'turnEnd':
        diagnosis.turnEnd();
        break;
      case 'waitBegin':
        diagnosis.waitBegin(event.timeoutMs, event.reason, -1);
        break;
      case 'waitEnd':
        diagnosis.waitEnd(event.events);
        break;
      case 'readiness':
        diagnosis.readiness(event.readiness, event.slot, event.generation);
        break;
      case 'batch':
        diagnosis.batch(Math.max(event.posted, event.deferred, event.closed));
        break;
      case 'itemBegin': {
        const registration = event.kind === 'readiness' ? (scene.byFd.get(event.fd) ?? null) : null;
        const taker = takerOf(event.kind, event.name, event.fd);
        // A registration has no name before its first item.
        if (registration !== null) registration.taker = taker;
        const dueMs = event.kind === 'timer' ? deadlines.get(event.timer) : undefined;
        diagnosis.itemBegin(event.kind, taker, registration, event.readiness, dueMs ?? scene.waitEndMs);
        deadlines.delete(event.timer);
        break;
      }
      case 'itemEnd':
      case 'drainEnd':
        if (scene.running !== null) diagnosis.itemEnd();
        break;
      case 'drainBegin':
        diagnosis.itemBegin('drain', takerOf('drain', '', -1), null, 0, nowMs);
        break;
      case 'stale':
        diagnosis.stale(event.slot, event.generation, event.readiness);
        break;
      case 'interest':
        if (event.change === 'add') {
          const taker = takerOf('readiness', '', event.fd);
          // Which trigger it has is not told; level is the usual one, and what is judged of an edge needs a live kernel.
          const about = { trigger: -1, isRaw: true, taker, source: null };
          diagnosis.added(event.fd, event.interest, event.slot, event.generation, about);
        } else diagnosis.changed(event.change, event.interest, event.slot, event.generation);
        break;
      case 'timerSet':
        deadlines.set(event.timer, event.deadlineMs);
        break;
      case 'timerCancelled':
        deadlines.delete(event.timer);
        break;
      case 'call':
        diagnosis.call(event.name, event.fd, event.result);
        break;
      default: // marks, resumed promises, errors: no rule asks for them
    }
  }
  diagnosis.finish();
  return { findings: ledger.findings, lost: ledger.lost, events, truncated: trace.truncated };
}
