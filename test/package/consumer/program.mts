// What somebody else's program may look like: every subpath, and the types that it is likely to name. Compiled strictly,
// with the declarations of the package checked too, and run in the project into which the package was installed.

import {
  READABLE,
  Poller,
  Reactor,
  SilentObserver,
  SystemError,
  UnderloopError,
  connect,
  descriptors,
  listen,
  type Connection,
  type ConnectionHandlers,
  type ErrorCode,
  type Kernel,
  type Listener,
  type ListenerHandlers,
  type Observer,
  type PollerCapabilities,
  type ReactorOptions,
  type SocketAddress,
  type Step,
  type Stepper,
  type Task,
  type Timer,
  type Watch,
} from 'underloop';
import * as awaited from 'underloop/async';
import type { AsyncConnection, AsyncListener, AsyncTask } from 'underloop/async';
import { connect as connectBlocking, type BlockingConnection } from 'underloop/blocking';
import { executor, systemCalls, type Executor, type SystemCalls } from 'underloop/executor';
import net, { createNet, type Net } from 'underloop/node';
import { registered } from 'underloop/register';
import { ScriptedKernel, VirtualClock, type ScriptedSettings } from 'underloop/testing';
import { Recorder, readTrace, type TraceEvent, type TraceReader } from 'underloop/trace';

class Turns extends SilentObserver {
  count = 0;
  override turnBegin(turn: number): void {
    this.count = turn;
  }
}
const observer: Observer & Turns = new Turns();
const options: ReactorOptions = { observer };
using reactor: Reactor = new Reactor(options);
const capabilities: PollerCapabilities = reactor.poller.capabilities;
const kernel: Kernel = reactor.kernel;

const echo: ListenerHandlers = {
  data(connection: Connection, buffer: Uint8Array, start: number, end: number): void {
    connection.write(buffer, start, end);
  },
};
const listener: Listener = listen(reactor, { port: 0 }, echo);
const address: SocketAddress = listener.address;
let reply = '';
const client: ConnectionHandlers = {
  open: (connection) => void connection.write(Buffer.from('echo')),
  data(connection, buffer, start, end) {
    reply += Buffer.from(buffer.subarray(start, end)).toString();
    connection.close();
    listener.close();
  },
};
const task: Task = () => void connect(reactor, { port: address.port }, client);
const timer: Timer = reactor.setTimer(1, task);

const [readEnd, writeEnd] = descriptors.pipe();
const watch: Watch = reactor.watch(readEnd, READABLE, (readiness, self) => self.close());
descriptors.write(writeEnd, Buffer.from('x'));
await reactor.run();
descriptors.close(readEnd);
descriptors.close(writeEnd);

let code: ErrorCode | undefined;
try {
  reactor.setTimer(-1, () => undefined);
} catch (error) {
  if (error instanceof UnderloopError) code = error.code;
}

const clock = new VirtualClock();
const settings: ScriptedSettings | undefined = undefined;
using scripted = new Reactor({ kernel: new ScriptedKernel({ clock }) });
const slept: AsyncTask<void> | Promise<void> = awaited.sleep(scripted, 60_000);
await Promise.all([slept, scripted.run()]);

export type Others = [
  AsyncConnection,
  AsyncListener,
  BlockingConnection,
  Executor,
  SystemCalls,
  Net,
  Step,
  Stepper,
  TraceEvent,
  TraceReader,
  typeof settings,
];
const functions = [
  connectBlocking,
  executor,
  systemCalls,
  createNet,
  net.connect,
  readTrace,
  Recorder,
  Poller,
];
console.log(
  JSON.stringify({
    reply,
    code,
    registered,
    timerPending: timer.pending,
    watchClosed: watch.closed,
    kernel: kernel.name,
    nestable: capabilities.nestable,
    turned: observer.count > 0,
    functions: functions.every((one) => typeof one === 'function'),
    isError: new SystemError('connect', -111) instanceof Error,
  }),
);
