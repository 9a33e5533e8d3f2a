// The recording of this very process: what is put where, and what is told at the end.

import * as fs from 'node:fs';
import { binding } from '../binding.js';
import { UnderloopError } from '../errors.js';
import type { Observer } from '../reactor/observer.js';
import { both, setHost, setInstrument } from '../reactor/instrument.js';
import type { ReactorOptions } from '../reactor/options.js';
import { tapeDescriptors } from './descriptors.js';
import { BLOCK_BYTES_MAX, OP, type Facts } from './format.js';
import { hashOf, loadedModules } from './modules.js';
import { RECORDING_FD, REPORT_FD } from './protocol.js';
import type { Order, RecordEnded, RecordSummary } from './protocol.js';
import { orderHttpConnections } from './http-connections.js';
import { keepNativeKernel, replaceNativeKernel } from './raw-kernel.js';
import { RecordHost } from './record-host.js';
import { RecordTimers, recordProcess } from './record-runtime.js';
import { RecordTape } from './record-tape.js';
import { fileStore } from './recording-file.js';
import { installRuntime } from './runtime.js';
import { tapedKernel } from './taped-kernel.js';
import { Reactors } from './taped-observer.js';
import { Uncovered } from './uncovered.js';

const { writeSync, closeSync } = fs;

/** A reactor on a ring has completions in memory that it shares with the kernel, past every call. */
export function refuseRing(options: ReactorOptions): void {
  if (options.kernel?.pollerKinds.includes('uring') !== true) return;
  throw new UnderloopError(
    'ERR_UNSUPPORTED',
    'underloop record does not cover io_uring: its completions come through memory and not through calls; ' +
      'run the program on epoll or poll to record it',
  );
}

/** The kernel that a reactor with these options is on is the real one, or none was given. */
export const isOnReal = (options: ReactorOptions): boolean =>
  options.kernel === undefined || options.kernel.name === 'native';

function facts(
  { imports, version, terminals }: Omit<RecordOrder, 'do' | 'bytesMax'>,
  bufferBytes: number,
): Facts {
  const [, script = '', ...args] = process.argv;
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) if (value !== undefined) environment[name] = value;
  return {
    script,
    args,
    cwd: process.cwd(),
    environment,
    imports,
    scriptHash: hashOf(script) ?? '',
    pid: process.pid,
    ppid: process.ppid,
    node: process.version,
    platform: process.platform,
    version,
    startedUnixMs: Date.now(),
    timeOriginMs: performance.timeOrigin,
    bufferBytes,
    terminals,
  };
}

type RecordOrder = Extract<Order, { do: 'record' }>;

/** One line to whoever started us, if it is still there. */
function tell(message: RecordSummary | RecordEnded): void {
  try {
    writeSync(REPORT_FD, `${JSON.stringify(message)}\n`);
  } catch {
    // It has gone.
  }
}

export function startRecording(order: RecordOrder): void {
  const { bytesMax, terminals } = order;
  const onTerminal = terminals.some((terminal) => terminal !== null);
  const native = keepNativeKernel();
  const uncovered: { kind: string; where: string }[] = [];
  const known = new Set<string>();
  let ended: string | null = null;
  const tape = new RecordTape(facts(order, native.buffer.length), fileStore(RECORDING_FD), {
    bytesMax,
    onEnd: (why, events) => {
      if (why === 'limit') ended = `its bound of ${bytesMax} bytes was reached`;
      else if (why === 'entry') ended = `one call read more than a recording takes, ${BLOCK_BYTES_MAX} bytes`;
      else ended = why.message;
      tell({ type: 'ended', why: ended, events, failed: why instanceof Error });
    },
  });
  const reactors = new Reactors(tape);
  const kernel = tapedKernel(tape, native, native);
  replaceNativeKernel(kernel);
  tapeDescriptors(tape);

  let noting = false;
  const timers = new RecordTimers(tape);
  const watch = new Uncovered(
    (kind, where) => {
      uncovered.push({ kind, where });
      tape.noteUncovered(kind, where);
    },
    () => noting,
  );
  const noteModules = (): void => {
    noting = true;
    tape.noteModules(loadedModules(known));
    noting = false;
  };

  setInstrument((options) => {
    refuseRing(options);
    if (!isOnReal(options)) return {};
    const own = reactors.observer();
    const observer: Observer = options.observer === undefined ? own : both(own, options.observer);
    return { observer, kernel: options.kernel ?? kernel };
  });
  let host: RecordHost | null = null;
  setHost(() => {
    if (host !== null) return host;
    noteModules(); // the program stands: its first run() begins
    const opened = binding.hostOpen(() => host?.pump());
    if (opened === null) {
      throw new UnderloopError(
        'ERR_UNSUPPORTED',
        'underloop record needs Node.js: this runtime has no loop to wait on',
      );
    }
    return (host = new RecordHost(opened, tape, reactors, (kind) => native.openPoller(kind)));
  });

  const report = (): void => {
    tape.flush();
    const summary: RecordSummary = {
      type: 'recorded',
      events: tape.events,
      bytes: tape.bytesTotal,
      uncovered,
      ended,
    };
    tell(summary);
    tape.live = false;
    try {
      closeSync(RECORDING_FD);
    } catch {
      // The program has closed it, and was told so when it was to be written.
    }
  };
  const kill = process.kill.bind(process);
  recordProcess(tape, {
    message: () => watch.met('a message of node:child_process', 'the process that started it'),
    signalled: (signal) => {
      if (signal === 'SIGWINCH' && onTerminal) watch.met("the terminal's size", 'a signal (SIGWINCH)');
    },
    ended: (code) => {
      noteModules();
      if (tape.live) {
        tape.open(OP.exit);
        tape.putInt(code);
        tape.putText(reactors.hash());
      }
      report();
    },
    endedBy: (signal, letGo) => {
      noteModules();
      report();
      letGo();
      kill(process.pid, signal);
    },
  });
  installRuntime(tape, timers);
  orderHttpConnections((found) => {
    if (found.length > 0)
      watch.met('a time limit of node:http', 'http.Server (headersTimeout, requestTimeout)');
    return found;
  });
  watch.start();
}
