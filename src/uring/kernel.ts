// A ring as the kernel of a reactor: its poller is the ring, all other calls are those of this machine.

import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { binding } from '../binding.js';
import { SystemError, UnderloopError, argumentError, checkInteger } from '../errors.js';
import { EMFILE, ENFILE, ENOMEM, ENOTSUP, EPERM } from '../kernel/errno.js';
import type { Kernel } from '../kernel/kernel.js';
import { NativePoller, nativeKernel } from '../kernel/native.js';
import type { KernelPoller } from '../poller/poller.js';
import { Area, capabilitiesOf, type RingCapabilities } from './area.js';

export type { RingCapabilities };

export interface RingOptions {
  /** Buffers of the pool, shared by all connections; a power of two from 2 to 32,768. 512 unless given. */
  buffers?: number;
  /** Bytes of each; 16 KiB unless given. Small replies are put together behind what was read. */
  bufferBytes?: number;
  /** Completions that the kernel may queue; the rest waits outside. 4096 unless given. */
  completionsMax?: number;
  /** false: one operation per accept and receive, as on a kernel without multishot. */
  multishot?: boolean;
  /** false: completions are not put off until the ring is entered, as on a kernel without DEFER_TASKRUN. */
  deferred?: boolean;
}

// Enough for as many connections to be busy in one turn; addresses, of which only what is used becomes memory.
const BUFFERS = 512;
const BUFFER_BYTES = 16 * 1024;
const COMPLETIONS_MAX = 4096;
const ENOSYS = -constants.errno.ENOSYS;
const EACCES = -constants.errno.EACCES;

/** Kernel whose only poller is a ring. One poller at a time: a reactor has one. */
export interface RingKernel extends Kernel {
  readonly area: Area | null;
}

/** Throws ERR_ARGUMENT. */
export function ringKernel(options: RingOptions = {}): RingKernel {
  const { buffers = BUFFERS, bufferBytes = BUFFER_BYTES, completionsMax = COMPLETIONS_MAX } = options;
  checkInteger('options.buffers', buffers, 2, 32_768);
  if ((buffers & (buffers - 1)) !== 0) throw argumentError('options.buffers', 'a power of two', buffers);
  checkInteger('options.bufferBytes', bufferBytes, 64, 64 * 1024);
  checkInteger('options.completionsMax', completionsMax, 2, 32_768);
  const { multishot = true, deferred = true } = options;
  let area: Area | null = null;
  const own = {
    pollerKinds: ['uring'],
    openPoller(): KernelPoller | number {
      const [handle, what] = opened(
        binding.uringOpen(buffers, bufferBytes, completionsMax, multishot ? 1 : 0, deferred ? 1 : 0),
      );
      if (handle < 0) throw refusal(handle, what);
      area = new Area(handle, bufferBytes);
      return new NativePoller('uring', handle);
    },
  };
  const descriptors = Object.getOwnPropertyDescriptors(own);
  const kernel = Object.create(nativeKernel, descriptors) as RingKernel;
  return Object.defineProperty(kernel, 'area', { get: () => area });
}

const opened = (result: number | [number, string]): [number, string] =>
  typeof result === 'number' ? [result, ''] : result;

function refusal(result: number, what: string): Error {
  if (result === EMFILE || result === ENFILE) return new SystemError(what, result);
  return new UnderloopError('ERR_UNSUPPORTED', explain(result, what));
}

let trial: { reason: string } | RingCapabilities | null = null;

function tried(): { reason: string } | RingCapabilities {
  if (trial !== null) return trial;
  const [handle, what] = opened(binding.uringOpen(2, 64, 16, 1, 1));
  // Out of descriptors is no answer to keep.
  if (handle === EMFILE || handle === ENFILE) return { reason: explain(handle, what) };
  if (handle < 0) return (trial = { reason: explain(handle, what) });
  const found = capabilitiesOf(binding.uringDescribe(handle));
  binding.pollerClose(handle);
  return (trial = found);
}

/** What rings have here; null where there are none. Tried once per thread, with a ring that is closed again. */
export function capabilities(): RingCapabilities | null {
  const found = tried();
  return 'reason' in found ? null : found;
}

/** Why there are no rings here, in a sentence; null when there are. */
export function unavailable(): string | null {
  const found = tried();
  return 'reason' in found ? found.reason : null;
}

function explain(result: number, what: string): string {
  if (process.platform !== 'linux') return `io_uring is Linux's own; this is ${process.platform}`;
  if (what === 'io_uring_setup') {
    if (result === ENOSYS) {
      return 'io_uring_setup says ENOSYS: this kernel has no io_uring, or the seccomp filter of a container hides it';
    }
    if (result === EPERM || result === EACCES) {
      const disabled = sysctl('io_uring_disabled');
      if (disabled === '2') return 'io_uring is switched off for everybody: kernel.io_uring_disabled is 2';
      if (disabled === '1') {
        return 'io_uring is switched off for processes without CAP_SYS_ADMIN: kernel.io_uring_disabled is 1';
      }
      return (
        'io_uring_setup is forbidden (EPERM): a seccomp filter, such as the default one of Docker and containerd, ' +
        'or a security module refuses it'
      );
    }
  }
  if (result === ENOMEM) {
    return `${what} says ENOMEM: raise the limit of locked memory (ulimit -l, RLIMIT_MEMLOCK) or of the container`;
  }
  if (result === ENOTSUP) return `this kernel's io_uring has not ${what}`;
  return `${what} is refused: ${new SystemError(what, result).message}`;
}

function sysctl(name: string): string | null {
  try {
    return readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trim();
  } catch {
    return null;
  }
}
