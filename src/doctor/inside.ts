// Runs within the examined program, loaded before it: gives each of its reactors and pollers to the rules, and tells what they find.
// UNDERLOOP_DOCTOR={...} node --import dist/doctor/inside.js SCRIPT, with the doctor's socket as descriptor 3, a lifeline as 4

import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { both, setInstrument, setPollerInstrument } from '../reactor/instrument.js';
import { startLifeline } from '../workload/process.js';
import { listenToActivity } from './activity.js';
import { monotonicMs } from './blocked/heartbeat.js';
import { watchBlocked, type BlockedSpan, type BlockedWatch } from './blocked/index.js';
import { countTicks, type ChainCounter } from './chains.js';
import { TICK_MS, type Diagnosis } from './diagnosis.js';
import { systemEyes, type Eyes } from './eyes.js';
import type { Draft } from './finding.js';
import { Handlers, callerPlace, handlerPlace, isDoctorsOwn } from './handlers.js';
import { Ledger } from './ledger.js';
import { LiveObserver } from './live.js';
import {
  CONTROL_FD,
  DOCTOR_ENVIRONMENT,
  FINISH,
  LIFELINE_FD,
  type DoctorMessage,
  type DoctorSettings,
} from './protocol.js';
import { OwnTime } from './own-time.js';
import { WatchedPoller } from './raw-poller.js';
import { StuckWatch } from './stuck.js';
import { countWorkerLoops, shareWorkerLoops } from './workers.js';

/** As it was before the doctor listened to what the program writes. */
const write = writeSync;

/** One loop under examination. */
interface Patient {
  readonly name: string;
  readonly diagnosis: Diagnosis;
  readonly touch: () => void;
  readonly subjectOf: (kind: string, name: string) => unknown;
  readonly chains: ChainCounter | null;
}

class Inside {
  private readonly patients = new Set<Patient>();
  private readonly handlers = new Handlers();
  private readonly eyes: Eyes = systemEyes();
  private readonly stuck = new StuckWatch(CONTROL_FD);
  private readonly blocked: BlockedWatch;
  private readonly ledger = new Ledger(
    (hint) => this.handlers.describe(hint),
    (finding) => this.tell({ type: 'found', finding }),
  );
  private readonly reporting = new OwnTime(monotonicMs);
  private readonly socket = new Socket({ fd: CONTROL_FD, readable: true, writable: true });
  private unsent = Buffer.alloc(0);
  private loops = 0;
  private readonly workerLoops = shareWorkerLoops();
  private reactors = 0;
  /** For what is told when its reactor has gone. */
  private lastPatient: Patient | null = null;
  private finished = false;

  constructor(private readonly settings: DoctorSettings) {
    const { blockedMs } = settings;
    this.blocked = watchBlocked({ thresholdMs: blockedMs });
    countTicks();
    listenToActivity({
      read: (fd, count) => {
        if (count > 0) this.stuck.transferred();
        this.each((one) => one.read(fd, count));
      },
      wrote: (fd, count) => this.each((one) => one.wrote(fd, count)),
      closing: (fd) => this.each((one) => one.closing(fd)),
      accepted: (fd, result) => {
        if (result >= 0) this.stuck.transferred();
        this.each((one) => {
          // Of a listener of net/ the reactor's own kernel tells.
          if (one.scene.isRaw || one.scene.byFd.get(fd)?.isRaw === true) one.accepted(fd, result);
          else if (result >= 0) one.scene.intakes++;
        });
      },
    });
    setInstrument((options) => {
      this.loops++;
      const name = `reactor ${++this.reactors}`;
      let patient: Patient | null = null;
      const observer = new LiveObserver(
        {
          ...this.common(() => patient),
          blocked: this.blocked.observer,
          stuck: { watch: this.stuck, name },
        },
        {
          opened: (diagnosis, touch) => {
            const subjectOf = observer.subjectOf.bind(observer);
            patient = this.lastPatient = { name, diagnosis, touch, subjectOf, chains: observer.chains };
            this.patients.add(patient);
          },
          closed: () => this.patients.delete(patient as Patient),
        },
      );
      return { observer: options.observer === undefined ? observer : both(observer, options.observer) };
    });
    setPollerInstrument((poller) => {
      const name = `poller ${++this.loops - this.reactors}`;
      const watched = new WatchedPoller(
        poller,
        { ...this.common(() => patient), stuck: { watch: this.stuck, name } },
        { closed: () => this.patients.delete(patient) },
      );
      const patient: Patient = {
        name,
        diagnosis: watched.diagnosis,
        touch: watched.touch,
        subjectOf: () => null,
        chains: null,
      };
      this.patients.add(patient);
      return watched;
    });
    this.socket.setEncoding('utf8').on('data', (word: string) => {
      if (word.includes(FINISH)) this.finish();
    });
    this.socket.on('error', () => undefined).unref();
    setInterval(() => this.tick(), TICK_MS * 2).unref();
    process.on('exit', () => this.finish());
    this.finishBeforeSignals();
    this.tell({ type: 'hello' });
  }

  /** The interrupt key reaches the program at the same time as the doctor, and would end it before it has told what it knows. */
  private finishBeforeSignals(): void {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      const listener = (): void => {
        if (process.listenerCount(name) > 1) return; // the program's own decides
        this.finish();
        process.removeListener(name, listener);
        process.kill(process.pid, name);
      };
      process.on(name, listener);
    }
  }

  private common(patient: () => Patient | null) {
    return {
      eyes: this.eyes,
      caller: callerPlace,
      blockedMs: this.settings.blockedMs,
      report: (draft: Draft) => this.report(patient() as Patient, draft),
    };
  }

  private report({ name, diagnosis }: Patient, draft: Draft): void {
    const { poller, turn, beganMs } = diagnosis.scene;
    this.reporting.during(() => this.ledger.add({ name, poller, turn, beganMs }, draft));
  }

  private each(act: (diagnosis: Diagnosis) => void): void {
    for (const { diagnosis } of this.patients) act(diagnosis);
  }

  /** Beside the loops: for what shows while they sleep. */
  private tick(): void {
    for (const { diagnosis, touch } of this.patients) {
      touch();
      diagnosis.tick();
    }
    void this.blocked.take().then((spans) => this.explain(spans));
    this.flush();
  }

  private explain(spans: readonly BlockedSpan[]): void {
    for (const span of spans) {
      // A collection that was due by then, and met what we run ourselves; a wait for the runtime's own threads, which did.
      if (isDoctorsOwn(span.call === 'futex' ? span.stack.slice(0, 1) : span.stack)) continue;
      if (span.durationMs - this.reporting.within(span) < this.settings.blockedMs) continue;
      const patient = this.patientOf(span) ?? this.lastPatient;
      if (patient === null) continue;
      const { scene } = patient.diagnosis;
      const subject = scene.byFd.get(span.fd)?.taker.subject ?? patient.subjectOf(span.kind, span.name);
      const place = handlerPlace(span.stack);
      // It met whoever ran then, and none of the program's functions did.
      if (span.kind === 'drain' && span.cause === 'gc' && place === null) continue;
      const handler = { name: span.name, subject, place };
      patient.diagnosis.blockedSpan(span, handler, span.beganMs);
      const chain = span.kind === 'drain' ? patient.chains?.take(span.beganMs) : undefined;
      if (chain !== undefined && span.cause !== 'syscall')
        patient.diagnosis.chain(handler, chain.forMs, span.shares.runqueueMs, chain.pieces);
    }
  }

  /** Whose item it was is not told: it is in the reactor that has its descriptor, and mostly there is but one. */
  private patientOf({ fd }: BlockedSpan): Patient | null {
    const reactors = [...this.patients].filter(({ diagnosis }) => !diagnosis.scene.isRaw);
    return reactors.find(({ diagnosis }) => diagnosis.scene.byFd.has(fd)) ?? reactors.at(0) ?? null;
  }

  private tell(message: DoctorMessage): void {
    this.unsent = Buffer.concat([this.unsent, Buffer.from(`${JSON.stringify(message)}\n`)]);
    this.flush();
  }

  /** At once and synchronously: the program may end, or be blocked, at any moment. */
  private flush(): void {
    while (this.unsent.length > 0) {
      try {
        this.unsent = this.unsent.subarray(write(CONTROL_FD, this.unsent));
      } catch {
        return; // EAGAIN: at the next tick; EPIPE: nobody listens any more
      }
    }
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    this.explain(this.blocked.takeNow());
    for (const { diagnosis, touch } of this.patients) {
      touch();
      diagnosis.finish();
    }
    for (const finding of this.ledger.takeChanged()) this.tell({ type: 'again', finding });
    const { loops, ledger } = this;
    this.tell({ type: 'done', loops, workerLoops: this.workerLoops(), lost: ledger.lost });
  }
}

const settings = process.env[DOCTOR_ENVIRONMENT];
// A process that the program forks with its own options loads this too, and is left alone.
if (!isMainThread) countWorkerLoops();
else if (settings !== undefined) {
  Reflect.deleteProperty(process.env, DOCTOR_ENVIRONMENT);
  startLifeline(LIFELINE_FD);
  new Inside(JSON.parse(settings) as DoctorSettings);
}
