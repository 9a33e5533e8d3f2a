// System calls that block and have no readiness, on native threads: name look-ups and reads of files.

import { isIP } from 'node:net';
import { constants } from 'node:os';
import { abortError, onAbort, type AbortOptions } from '../async/abort.js';
import { signalOf } from '../async/sleep.js';
import { binding } from '../binding.js';
import { SystemError, UnderloopError, argumentError, checkFd, checkInteger, checkObject } from '../errors.js';
import type { SocketAddress } from '../kernel/kernel.js';
import { checkHost } from '../net/address.js';
import { checkReactor } from '../net/checks.js';
import { READABLE } from '../poller/poller.js';
import type { Reactor } from '../reactor/reactor.js';
import type { Source } from '../reactor/run-queue.js';

const { ENAMETOOLONG } = constants.errno;

/** Threads at most, unless told otherwise: they wait for disks and name servers, not for cores. */
const THREADS_MAX = 4;
/** Calls that wait for a thread or are on one at most, unless told otherwise. */
const PENDING_MAX = 1000;
/** A file larger than this is refused, unless told otherwise. */
const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Outcomes that one item settles: the next turn goes on, after the neighbours. */
const OUTCOMES_PER_ITEM_MAX = 64;

/** Options of {@link systemCalls}. */
export interface SystemCallOptions {
  /** 1 to 128; 4 unless given. They start when they are needed. */
  threadsMax?: number;
  /** Calls pending at most, 1 to 1,000,000; 1000 unless given. Beyond: ERR_QUEUE_FULL. */
  pendingMax?: number;
}

export interface ReadFileOptions extends AbortOptions {
  /** More reject with EFBIG; 64 MiB unless given. */
  maxBytes?: number;
}

interface Call {
  readonly syscall: string;
  readonly context: { readonly fd?: number; readonly hint?: string };
  settle(error: Error | null, data?: ArrayBuffer | string): void;
}

/**
 * Blocking system calls on threads of their own, with results as items of a reactor, which stays alive meanwhile. Aborting
 * takes back a call that no thread has begun; one that has begun goes on to its end, and its outcome is dropped.
 */
export class SystemCalls implements Source, Disposable {
  private readonly handle: number;
  private readonly pending = new Map<number, Call>();
  private readonly pendingMax: number;
  private readonly outcome = new Float64Array(2);
  private slot: number;
  private lastId = 0;

  /** @internal Use {@link systemCalls}. */
  constructor(
    private readonly reactor: Reactor,
    options: SystemCallOptions,
  ) {
    checkReactor(reactor);
    checkObject('options', options);
    const { threadsMax = THREADS_MAX, pendingMax = PENDING_MAX } = options;
    checkInteger('options.threadsMax', threadsMax, 1, 128);
    checkInteger('options.pendingMax', pendingMax, 1, 1_000_000);
    if (reactor.kernel.name !== 'native') {
      throw new UnderloopError('ERR_UNSUPPORTED', 'real threads cannot wake a reactor on a scripted kernel');
    }
    this.pendingMax = pendingMax;
    const opened = binding.offloadOpen(threadsMax);
    if (typeof opened === 'number') throw new SystemError('open the wake-up descriptor', opened);
    this.handle = opened[0];
    try {
      this.slot = reactor.registry.add(opened[1], READABLE, 0, this, false);
    } catch (error) {
      binding.offloadClose(this.handle);
      throw error;
    }
  }

  /** Calls that have not been settled. */
  get running(): number {
    return this.pending.size;
  }

  /** All addresses of a host name, in the order of getaddrinfo(3). Rejects with its codes (EAI_NONAME, EAI_AGAIN). */
  async resolve(host: string, options?: AbortOptions): Promise<Pick<SocketAddress, 'family' | 'host'>[]> {
    checkHost('host', host);
    const hint = { hint: `No address was found for '${host}'` };
    const text = await this.submit('getaddrinfo', hint, options, (id) =>
      binding.offloadResolve(this.handle, id, host),
    );
    const hosts = (text as string).split('\n').slice(0, -1);
    return hosts.map((one) => ({ family: isIP(one) as 4 | 6, host: one }));
  }

  /** A whole file. Rejects with a `SystemError`: ENOENT, EISDIR, EFBIG beyond `maxBytes`, ... */
  async readFile(path: string, options: ReadFileOptions = {}): Promise<Buffer> {
    if (typeof path !== 'string' || path === '' || path.includes('\0'))
      throw argumentError('path', 'a path', path);
    checkObject('options', options);
    const { maxBytes = FILE_BYTES_MAX } = options;
    checkInteger('options.maxBytes', maxBytes, 0, 0x7ffffffe);
    const hint = { hint: `The file is ${path}` };
    const data = await this.submit('read', hint, options, (id) =>
      binding.offloadReadFile(this.handle, id, path, maxBytes),
    );
    return Buffer.from(data as ArrayBuffer);
  }

  /**
   * Up to `length` bytes of an open file from `offset`; fewer only at its end. pread(2): the file's own position stays. The
   * descriptor must stay open until the call has been settled, and longer if it was aborted.
   */
  async readFileChunk(fd: number, offset: number, length: number, options?: AbortOptions): Promise<Buffer> {
    checkFd('fd', fd);
    checkInteger('offset', offset, 0, Number.MAX_SAFE_INTEGER);
    checkInteger('length', length, 0, 0x7fffffff);
    const data = await this.submit('pread', { fd }, options, (id) =>
      binding.offloadReadChunk(this.handle, id, fd, offset, length),
    );
    return Buffer.from(data as ArrayBuffer);
  }

  /** Ends its threads as soon as they have no call; what is pending rejects with ERR_CLOSED. Idempotent. */
  close(): void {
    if (this.slot < 0) return;
    this.reactor.registry.remove(this.slot);
    this.slot = -1;
    binding.offloadClose(this.handle);
    const calls = [...this.pending.values()];
    this.pending.clear();
    for (const call of calls) call.settle(new UnderloopError('ERR_CLOSED', `${call.syscall}: closed`));
  }
  /** The same as {@link close}. */
  [Symbol.dispose](): void {
    this.close();
  }
  /** @internal */
  dispose(): void {
    this.close();
  }

  /** @internal */
  run(): void {
    const { outcome } = this;
    for (let i = 0; i < OUTCOMES_PER_ITEM_MAX && this.slot >= 0; i++) {
      const data = binding.offloadTake(this.handle, outcome);
      if (data === undefined) return;
      const [id = 0, result = 0] = outcome;
      const call = this.pending.get(id);
      if (call === undefined) continue; // aborted
      this.forget(id);
      if (result >= 0) call.settle(null, data);
      else call.settle(new SystemError(call.syscall, result, call.context));
    }
  }

  private submit(
    syscall: string,
    context: Call['context'],
    options: AbortOptions | undefined,
    start: (id: number) => number,
  ): Promise<ArrayBuffer | string> {
    return new Promise((resolve, reject) => {
      const signal = signalOf(options);
      if (signal?.aborted === true) throw abortError(syscall, signal);
      if (this.slot < 0)
        throw new UnderloopError('ERR_CLOSED', 'closed; make new ones with systemCalls(reactor)');
      if (this.pending.size >= this.pendingMax) {
        const text = `${String(this.pending.size)} calls are pending; await some, or raise options.pendingMax`;
        throw new UnderloopError('ERR_QUEUE_FULL', text);
      }
      const id = ++this.lastId;
      const result = start(id);
      if (result < 0)
        throw new SystemError(result === -ENAMETOOLONG ? syscall : 'pthread_create', result, context);
      const forget = onAbort(signal, () => {
        binding.offloadCancel(this.handle, id);
        this.forget(id);
        reject(abortError(syscall, signal as AbortSignal));
      });
      this.pending.set(id, {
        syscall,
        context,
        settle: (error, data) => {
          forget();
          this.reactor.observer?.resumed(syscall);
          if (error !== null) reject(error);
          else resolve(data as ArrayBuffer | string);
        },
      });
      this.reactor.registry.setReferenced(this.slot, true);
    });
  }

  private forget(id: number): void {
    this.pending.delete(id);
    if (this.pending.size === 0 && this.slot >= 0) this.reactor.registry.setReferenced(this.slot, false);
  }
}

/** Native threads for system calls that block. Throws ERR_ARGUMENT, ERR_UNSUPPORTED on a scripted kernel. */
export function systemCalls(reactor: Reactor, options: SystemCallOptions = {}): SystemCalls {
  return new SystemCalls(reactor, options);
}
