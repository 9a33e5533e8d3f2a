// A listening TCP socket over completions: one accept that goes on, and survives running out of descriptors.

import { binding } from '../binding.js';
import { SystemError, argumentError, checkObject } from '../errors.js';
import { ECANCELED, ECONNABORTED, EMFILE, ENFILE, EPERM } from '../kernel/errno.js';
import type { InternetAddress } from '../kernel/kernel.js';
import { checkQueueBound } from '../net/checks.js';
import { ACCEPT_BACKOFF_MS, ACCEPTS_PER_ITEM_MAX } from '../net/listener.js';
import type { ListenOptions } from '../net/listener.js';
import { checkPlace, openListening } from '../net/listening.js';
import { checkStreamOptions } from '../net/options.js';
import { Reserve } from '../net/reserve.js';
import { WRITE_QUEUE_BYTES_MAX } from '../net/service.js';
import { ACCEPT, CANCEL_ALL, CLOSE, MORE } from './area.js';
import { RingConnection } from './connection.js';
import type { Completer, Proactor } from './proactor.js';
import type { RingHandlers, RingService } from './service.js';

export interface RingListenerHandlers<Context = unknown> extends RingHandlers<Context> {
  /** accept has failed (EMFILE, ...); it goes on by itself after a pause. */
  acceptError?(listener: RingListener<Context>, error: SystemError): void;
}

export class RingListener<Context = unknown> implements Completer, RingService<Context>, Disposable {
  /** The descriptor; -1 once closed. */
  fd: number;
  readonly address: InternetAddress;
  /** Connections open now. */
  connections = 0;
  /** Connections accepted since the start. */
  accepted = 0;
  /** Connections turned away because no descriptor was left. */
  refused = 0;
  /** @internal */ readonly writeQueueBytesMax: number;
  private readonly slot: number;
  private readonly generation: number;
  private accepting = false;
  private readonly reserve: Reserve;

  /** @internal Use {@link listenOn}. */
  constructor(
    readonly proactor: Proactor,
    fd: number,
    address: InternetAddress,
    options: ListenOptions,
    readonly handlers: RingListenerHandlers<Context>,
  ) {
    this.fd = fd;
    this.writeQueueBytesMax = options.writeQueueBytesMax ?? WRITE_QUEUE_BYTES_MAX;
    this.address = address;
    this.reserve = new Reserve(proactor.reactor.kernel);
    this.slot = proactor.add(this);
    this.generation = proactor.generation(this.slot);
    this.accept();
  }

  /** Accepts no more. Connections that were accepted go on. Idempotent. */
  close(): void {
    if (this.fd < 0) return;
    const { area } = this.proactor;
    if (this.accepting) area.stage(CANCEL_ALL, this.fd, this.slot, this.generation);
    area.stage(CLOSE, this.fd, this.slot, this.generation);
    this.fd = -1;
    this.reserve.close();
    if (!this.accepting) this.proactor.release(this.slot);
  }
  [Symbol.dispose](): void {
    this.close();
  }

  private accept(): void {
    this.accepting = true;
    this.proactor.area.stage(ACCEPT, this.fd, this.slot, this.generation);
  }

  /** @internal */
  sent(): void {
    // It sends nothing.
  }

  /** @internal */
  complete(_kind: number, result: number, flags: number): void {
    if ((flags & MORE) === 0) this.accepting = false;
    if (this.fd < 0) {
      // Accepted before the cancel has come to it.
      if (result >= 0) this.proactor.reactor.kernel.close(result);
      if (!this.accepting) this.proactor.release(this.slot);
      return;
    }
    try {
      if (result >= 0) this.opened(result);
      else if (result !== ECONNABORTED && result !== EPERM && result !== ECANCELED) this.failed(result);
    } finally {
      if (!this.accepting && !this.resting && !this.proactor.closed) this.accept();
    }
  }

  private resting = false;

  private opened(fd: number): void {
    this.accepted++;
    this.connections++;
    const connection = new RingConnection<Context>(this, fd);
    this.handlers.open?.(connection);
  }

  /** As net/listener.ts does: those that wait are turned away with a descriptor that was kept for it, then we rest. */
  private failed(result: number): void {
    const { reactor } = this.proactor;
    if (result === EMFILE || result === ENFILE) this.turnAway();
    this.resting = true;
    reactor
      .setTimer(ACCEPT_BACKOFF_MS, () => {
        this.resting = false;
        if (this.fd < 0) return;
        this.reserve.renew();
        if (!this.accepting) this.accept();
      })
      .unref();
    this.handlers.acceptError?.(this, new SystemError('accept', result, { fd: this.fd }));
  }

  private turnAway(): void {
    if (!this.reserve.held) return;
    binding.uringSetBlocking(this.fd, 0); // the ring wants it to block; we do not
    this.refused += this.reserve.turnAway(this.fd, ACCEPTS_PER_ITEM_MAX);
  }

  /** @internal */
  connectionClosed(): void {
    this.connections--;
  }
}

/** Listens on `host`:`port`. Throws at once: `ERR_ARGUMENT`, `ERR_HOST_NAME`, or a `SystemError` (EADDRINUSE, EACCES). */
export function listenOn<Context = unknown>(
  proactor: Proactor,
  options: ListenOptions,
  handlers: RingListenerHandlers<Context>,
): RingListener<Context> {
  const { kernel } = proactor.reactor;
  checkObject('options', options);
  const place = checkPlace(options);
  if (typeof place === 'number' || place.family === 'unix') {
    throw argumentError('options', 'a host and a port: completions serve TCP only', options);
  }
  checkStreamOptions('options', options);
  checkQueueBound(options.writeQueueBytesMax);
  const listening = openListening(kernel, place, options);
  try {
    const { fd, address } = listening;
    return new RingListener(proactor, fd, address as InternetAddress, options, handlers);
  } catch (error) {
    listening.undo();
    throw error;
  }
}
