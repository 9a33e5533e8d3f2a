// The models that are our reactor: one thread, one loop, on each of the pollers.

import type { Kernel } from '../kernel/kernel.js';
import { nativeKernel } from '../kernel/native.js';
import { listen, type Listener, type ListenOptions } from '../net/listener.js';
import type { PollerKind, Trigger } from '../poller/poller.js';
import { Reactor } from '../reactor/reactor.js';
import {
  Handler,
  WRITE_QUEUE_BYTES,
  type Session,
  type UpstreamCalls,
  type Wire,
} from '../workload/handler.js';
import { ReactorCalls } from '../workload/upstream-calls.js';
import { checkStart } from './checks.js';
import {
  BACKLOG,
  type Counters,
  type Model,
  type ModelOptions,
  type RunningModel,
  type Workload,
} from './model.js';

/** A server's way to its upstream, for as long as the server lives. */
export interface ServerCalls extends UpstreamCalls {
  close(): void | Promise<void>;
}

/** What a variant of the reactor does in its own way. */
export interface ReactorVariant {
  readonly summary?: string;
  /** Whose poller it waits on; the real kernel unless given. */
  readonly kernel?: Kernel;
  /** How its handlers wait on the upstream; over a connection of the reactor unless given. */
  readonly calls?: (reactor: Reactor, workload: Workload, options: ModelOptions) => ServerCalls;
}

export class ReactorModel implements Model {
  readonly summary: string;

  constructor(
    readonly name: string,
    private readonly poller: PollerKind,
    private readonly trigger: Trigger,
    private readonly variant: ReactorVariant = {},
  ) {
    const edge = trigger === 'edge' ? ', edge-triggered' : '';
    this.summary = variant.summary ?? `the reactor on ${poller}${edge}: one thread`;
  }

  unavailable(): string | null {
    const { pollerKinds } = this.variant.kernel ?? nativeKernel;
    if (pollerKinds.includes(this.poller)) return null;
    return `this system, or this build, has no ${this.poller}; it has ${pollerKinds.join(', ')}`;
  }

  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningModel> {
    checkStart(this, workload, options);
    const { kernel = nativeKernel, calls } = this.variant;
    const reactor = new Reactor({ poller: this.poller, kernel });
    try {
      const upstream =
        calls?.(reactor, workload, options) ?? new ReactorCalls(reactor, workload.upstreamPort);
      const { trigger } = this;
      const listenHere: Listen = (listening, handlers) =>
        listen(reactor, { ...listening, trigger }, handlers);
      const running = new RunningReactor(reactor, listenHere, upstream, workload, options);
      // Another reactor of this thread may forbid it (ERR_NOT_NESTABLE): then run() has failed already.
      await Promise.race([running.finished, Promise.resolve()]);
      return running;
    } catch (error) {
      reactor.close();
      throw error;
    }
  }
}

/** A connection that a loop serves, whether it waits for readiness or for completions. */
interface Served extends Wire {
  context: Session | undefined;
}
interface ServedHandlers {
  data(connection: Served, buffer: Uint8Array, start: number, end: number): void;
  readClosed(connection: Served): void;
  drain(connection: Served): void;
  close(connection: Served): void;
  acceptError(): void;
}
/** How a listening socket is opened whose connections call these handlers. */
export type Listen = (
  options: ListenOptions,
  handlers: ServedHandlers,
) => Pick<Listener, 'address' | 'accepted' | 'connections' | 'refused'>;

export class RunningReactor implements RunningModel {
  readonly address;
  private readonly handler: Handler;
  private readonly listener;
  readonly finished: Promise<void>;
  private acceptErrors = 0;

  constructor(
    private readonly reactor: Reactor,
    listenHere: Listen,
    private readonly calls: ServerCalls,
    workload: Workload,
    options: ModelOptions,
  ) {
    const ground = {
      later(delayMs: number, callback: () => void): () => void {
        const timer = reactor.setTimer(delayMs, callback).unref();
        return () => timer.cancel();
      },
    };
    const { requestsPerConnection } = workload;
    const handler = (this.handler = new Handler(ground, this.calls, { requestsPerConnection }));
    const sessionOf = (connection: Served): Session => (connection.context ??= handler.session(connection));
    this.listener = listenHere(
      {
        host: options.host ?? '127.0.0.1',
        port: options.port ?? 0,
        backlog: options.backlog ?? BACKLOG,
        noDelay: true,
        reusePort: options.reusePort ?? false,
        writeQueueBytesMax: WRITE_QUEUE_BYTES,
      },
      {
        data: (connection, buffer, start, end) => sessionOf(connection).received(buffer, start, end, true),
        readClosed: (connection) => sessionOf(connection).ended(),
        drain: (connection) => connection.context?.drained(),
        close: (connection) => connection.context?.closed(),
        acceptError: () => this.acceptErrors++,
      },
    );
    this.address = this.listener.address;
    this.finished = reactor.run();
  }

  counters(): Counters {
    const { accepted, connections, refused } = this.listener;
    const { served, errors } = this.handler.counters;
    return {
      accepted,
      connections,
      serving: connections,
      served,
      refused,
      errors: errors + this.acceptErrors,
      queued: 0,
      threads: 1,
    };
  }

  async stop(): Promise<void> {
    const closed = this.calls.close();
    this.reactor.close();
    await this.finished;
    await closed;
  }
}
