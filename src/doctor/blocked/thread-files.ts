// The two files of /proc in which the kernel keeps a thread's account: what it has used, and what it sleeps in.

import { closeSync, openSync, readSync, readlinkSync } from 'node:fs';
import { parseSyscall } from '../../probe/syscalls.js';

/** Descriptors of this thread's files, -1 where there is none; they are as good in every thread of the process. */
export interface ThreadFiles {
  readonly schedstatFd: number;
  readonly syscallFd: number;
}

function openOr(path: string): number {
  try {
    return openSync(path, 'r');
  } catch {
    return -1;
  }
}

/**
 * Opened once and early, and kept: a file opened for each look would take the lowest free number just when the program
 * expects it for its own.
 */
export function openThreadFiles(): ThreadFiles {
  let folder: string;
  try {
    folder = `/proc/${readlinkSync('/proc/thread-self')}`;
  } catch {
    return { schedstatFd: -1, syscallFd: -1 };
  }
  return { schedstatFd: openOr(`${folder}/schedstat`), syscallFd: openOr(`${folder}/syscall`) };
}

export function closeThreadFiles({ schedstatFd, syscallFd }: ThreadFiles): void {
  for (const fd of [schedstatFd, syscallFd]) if (fd >= 0) closeSync(fd);
}

const BYTES_MAX = 256;
const SPACE = 32;
const ZERO = 48;

/** Reads schedstat again and again, and makes nothing of it but numbers. */
export class ScheduleAccount {
  /** Time on a core. */
  cpuMs = 0;
  /** Time in which it could have run and had no core. */
  runqueueMs = 0;
  private readonly bytes = new Uint8Array(BYTES_MAX);

  constructor(private readonly fd: number) {}

  /** False: no such file, or a kernel that keeps no account and prints zeros. */
  read(): boolean {
    if (this.fd < 0) return false;
    let length: number;
    try {
      length = readSync(this.fd, this.bytes, 0, BYTES_MAX, 0);
    } catch {
      return false;
    }
    let value = 0;
    let field = 0;
    for (let i = 0; i < length && field < 2; i++) {
      const byte = this.bytes[i];
      if (byte !== SPACE) {
        value = value * 10 + byte - ZERO;
        continue;
      }
      if (field === 0) this.cpuMs = value / 1e6;
      else this.runqueueMs = value / 1e6;
      value = 0;
      field++;
    }
    return field === 2 && this.cpuMs > 0;
  }
}

/** What a thread sleeps in: a system call's name, '' for a sleep outside of any; null: it does not sleep, or nobody knows. */
export function sleepsIn(syscallFd: number, bytes: Uint8Array): string | null {
  if (syscallFd < 0) return null;
  let text: string;
  try {
    text = Buffer.from(bytes.buffer, 0, readSync(syscallFd, bytes, 0, bytes.length, 0)).toString('latin1');
  } catch {
    return null;
  }
  const call = parseSyscall(text);
  if (call === null || call.kind === 'running') return null;
  return call.kind === 'outside' ? '' : (call.name ?? `system call ${call.number}`);
}
