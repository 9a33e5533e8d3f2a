// The replay of a recording in this very process: nothing comes from outside, and the first thing that differs ends it.

import * as fs from 'node:fs';
import { both, setHost, setInstrument } from '../reactor/instrument.js';
import type { Observer } from '../reactor/observer.js';
import { nativeKernel } from '../kernel/native.js';
import { Blocks } from './blocks.js';
import { tapeDescriptors } from './descriptors.js';
import { HeldReplay } from './held.js';
import { orderHttpConnections } from './http-connections.js';
import { OP } from './format.js';
import { lookAt } from './look.js';
import { hashOf } from './modules.js';
import { REPORT_FD, type Circumstances, type Order, type Place, type Verdict } from './protocol.js';
import { keepNativeKernel, replaceNativeKernel } from './raw-kernel.js';
import { Driver } from './replay-host.js';
import { ReplayRuntime } from './replay-runtime.js';
import { ReplayTape } from './replay-tape.js';
import { isOnReal, refuseRing } from './recording.js';
import { installRuntime, real } from './runtime.js';
import { tapedKernel } from './taped-kernel.js';
import { Reactors } from './taped-observer.js';
import { replayTerminals } from './terminals.js';

const { writeSync } = fs;

/** Ends this process at once: the program must not hear of it, for it would go on with what it has to do at its end. */
const inner = process as unknown as { reallyExit(code: number): never };
const leave = inner.reallyExit.bind(process);

function say(message: Verdict | Circumstances): void {
  const bytes = Buffer.from(`${JSON.stringify(message)}\n`);
  for (let done = 0; done < bytes.length;) done += writeSync(REPORT_FD, bytes, done);
}

export function startReplay({ file, to, hold }: Extract<Order, { do: 'replay' }>): void {
  const startedMs = real.performanceNow();
  const blocks = new Blocks(file);
  const { facts } = blocks;
  let looked = 0;
  const changed: string[] = [];

  const finish = (verdict: Verdict): void => {
    lookAtModules();
    say({
      type: 'circumstances',
      changed,
      uncovered: tape.uncovered,
      items: held?.replay().item ?? 0,
      elapsedMs: real.performanceNow() - startedMs,
    });
    say(verdict);
  };
  const stop = (verdict: Verdict): never => {
    finish(verdict);
    stay();
    return leave(0);
  };
  // A held replay can be gone back in from its end: whoever controls it ends this process.
  const stay = (): void => {
    if (hold !== undefined) held?.waitFor(() => false);
  };
  const place = (): Place => ({ events: tape.events, turn: tape.turn, stateHash: reactors.hash() });

  const tape: ReplayTape = new ReplayTape(blocks, {
    differs: (difference) => stop({ type: 'differs', ...difference }),
    over: (why) => stop({ type: 'over', why, signal: null, ...place() }),
    damaged: (error) => {
      const { code = 'ERR_RECORDING_CORRUPT' } = error as { code?: string };
      return stop({ type: 'damaged', code, message: error.message });
    },
    arrived: () =>
      stop({ type: 'arrived', recent: tape.recent(), state: lookAt(reactors.all, tape.nowMs), ...place() }),
  });
  if (to !== undefined) tape.target = to;
  const reactors = new Reactors(tape);
  const held = hold === undefined ? null : new HeldReplay(tape, hold, process.pid);

  function lookAtModules(): void {
    for (; looked < tape.modules.length; looked++) {
      const { path, hash } = tape.modules[looked];
      if (hashOf(path) !== hash) changed.push(path);
    }
  }

  keepNativeKernel();
  if (nativeKernel.buffer.length !== facts.bufferBytes) {
    stop({
      type: 'damaged',
      code: 'ERR_RECORDING_VERSION',
      message: `it was recorded with a read buffer of ${facts.bufferBytes} bytes, and this underloop has ${nativeKernel.buffer.length}`,
    });
  }
  const kernel = tapedKernel(tape, null, nativeKernel);
  replaceNativeKernel(kernel);
  tapeDescriptors(tape);
  Object.defineProperty(process, 'pid', {
    value: facts.pid,
    configurable: true,
    writable: true,
    enumerable: true,
  });
  Object.defineProperty(process, 'ppid', { value: facts.ppid, configurable: true, enumerable: true });
  Object.defineProperty(performance, 'timeOrigin', { value: facts.timeOriginMs, configurable: true });

  const runtime = new ReplayRuntime(tape, {
    ended: (code) => {
      tape.open(OP.exit);
      tape.putInt(code);
      tape.putText(reactors.hash());
      tape.closeChecked();
      finish({ type: 'same', code, ...place() });
      stay();
    },
    interrupted: () => leave(130),
    endedBy: (signal) => stop({ type: 'over', why: 'signal', signal, ...place() }),
  });
  const driver = new Driver(tape, reactors, runtime);
  setInstrument((options) => {
    refuseRing(options);
    if (!isOnReal(options)) return {};
    const own = reactors.observer();
    let observer: Observer = options.observer === undefined ? own : both(own, options.observer);
    const given = { kernel: options.kernel ?? kernel };
    if (held === null) return { observer, ...given };
    const puppet = held.puppet(options.stepper !== undefined);
    observer = held.observer(observer, puppet);
    return { observer, stepper: options.stepper ?? puppet, ...given };
  });
  setHost(driver.hostOf);
  runtime.install(() => driver.start());
  installRuntime(tape, runtime);
  replayTerminals(facts.terminals ?? []);
  orderHttpConnections(() => []); // nobody waits in a replay, and its clock is not the program's
  driver.start();
}
