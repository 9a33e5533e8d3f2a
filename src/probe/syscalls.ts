// What a sleeping thread sleeps in: /proc/PID/task/TID/syscall, its number turned into a name and a descriptor.

/** A system call in which threads wait, by name: where its descriptor or count stands. */
const FIRST_ARGUMENT = {
  // The first argument is the descriptor waited on.
  fd: [
    ...['read', 'write', 'readv', 'writev', 'pread64', 'pwrite64', 'recvfrom', 'recvmsg', 'recvmmsg'],
    ...['sendto', 'sendmsg', 'sendmmsg', 'accept', 'accept4', 'connect', 'epoll_wait', 'epoll_pwait'],
    ...[
      'epoll_pwait2',
      'io_uring_enter',
      'flock',
      'fcntl',
      'ioctl',
      'fsync',
      'fdatasync',
      'sendfile',
      'splice',
    ],
  ],
  // It is something else: an array, an address, a count, a pid.
  other: [
    ...[
      'poll',
      'ppoll',
      'select',
      'pselect6',
      'futex',
      'futex_waitv',
      'nanosleep',
      'clock_nanosleep',
      'wait4',
    ],
    ...['waitid', 'pause', 'rt_sigsuspend', 'rt_sigtimedwait', 'io_getevents', 'restart_syscall', 'msgrcv'],
    ...['semop', 'semtimedop'],
  ],
} as const;

export type WaitingCall = (typeof FIRST_ARGUMENT)['fd' | 'other'][number];

const takesFd: ReadonlySet<string> = new Set<string>(FIRST_ARGUMENT.fd);

// From the kernel's own tables (arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h). arm64 has
// no epoll_wait, poll, select or pause: the C library calls their newer forms.
const X64: Readonly<Record<WaitingCall, number>> = {
  ...{ read: 0, write: 1, poll: 7, ioctl: 16, pread64: 17, pwrite64: 18, readv: 19, writev: 20, select: 23 },
  ...{
    pause: 34,
    nanosleep: 35,
    sendfile: 40,
    connect: 42,
    accept: 43,
    sendto: 44,
    recvfrom: 45,
    sendmsg: 46,
  },
  ...{ recvmsg: 47, wait4: 61, semop: 65, msgrcv: 70, fcntl: 72, flock: 73, fsync: 74, fdatasync: 75 },
  ...{ rt_sigtimedwait: 128, rt_sigsuspend: 130, futex: 202, io_getevents: 208, restart_syscall: 219 },
  ...{ semtimedop: 220, clock_nanosleep: 230, epoll_wait: 232, waitid: 247, pselect6: 270, ppoll: 271 },
  ...{ splice: 275, epoll_pwait: 281, accept4: 288, recvmmsg: 299, sendmmsg: 307, io_uring_enter: 426 },
  ...{ epoll_pwait2: 441, futex_waitv: 449 },
};
const ARM64: Readonly<Record<Exclude<WaitingCall, 'epoll_wait' | 'poll' | 'select' | 'pause'>, number>> = {
  ...{ io_getevents: 4, epoll_pwait: 22, fcntl: 25, ioctl: 29, flock: 32, read: 63, write: 64, readv: 65 },
  ...{ writev: 66, pread64: 67, pwrite64: 68, sendfile: 71, pselect6: 72, ppoll: 73, splice: 76, fsync: 82 },
  ...{ fdatasync: 83, waitid: 95, futex: 98, nanosleep: 101, clock_nanosleep: 115, restart_syscall: 128 },
  ...{ rt_sigsuspend: 133, rt_sigtimedwait: 137, msgrcv: 188, semtimedop: 192, semop: 193, accept: 202 },
  ...{ connect: 203, sendto: 206, recvfrom: 207, sendmsg: 211, recvmsg: 212, accept4: 242, recvmmsg: 243 },
  ...{ wait4: 260, sendmmsg: 269, io_uring_enter: 426, epoll_pwait2: 441, futex_waitv: 449 },
};

function byNumber(table: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, number]) => [number, name]));
}
const tables: ReadonlyMap<string, ReadonlyMap<number, string>> = new Map([
  ['x64', byNumber(X64)],
  ['arm64', byNumber(ARM64)],
]);

/** What /proc/PID/task/TID/syscall said. */
export type ThreadCall =
  /** On a CPU, or wanting one. */
  | { readonly kind: 'running' }
  /** Asleep, but in no system call: in a page fault, or a thread of the kernel's. */
  | { readonly kind: 'outside' }
  | {
      readonly kind: 'call';
      readonly number: number;
      /** Null: not in the table of this architecture. */
      readonly name: string | null;
      /** The descriptor waited on; null where the call waits on something else, or is not in the table. */
      readonly fd: number | null;
      /** The six arguments, as the kernel printed them (0x...): they may need 64 bits. */
      readonly arguments: readonly string[];
    };

/** Null: not in the form that kernels print. */
export function parseSyscall(text: string, architecture: string = process.arch): ThreadCall | null {
  const fields = text.trim().split(' ');
  if (fields[0] === 'running') return { kind: 'running' };
  const number = Number(fields[0]);
  if (fields[0] === '' || !Number.isInteger(number)) return null;
  if (number === -1) return { kind: 'outside' };
  const args = fields.slice(1, 7);
  if (number < 0 || args.length < 6) return null;
  const name = tables.get(architecture)?.get(number) ?? null;
  // A descriptor is an int: the upper half of the register is whatever it was.
  const fd = name !== null && takesFd.has(name) ? Number(BigInt.asIntN(32, BigInt(args[0]))) : null;
  return { kind: 'call', number, name, fd, arguments: args };
}

/** For people: `recvfrom(fd 23)`, `futex`, `system call 999`, `running`. */
export function describeCall(call: ThreadCall): string {
  switch (call.kind) {
    case 'running':
      return 'running';
    case 'outside':
      return 'asleep outside any system call';
    case 'call':
      if (call.name === null) return `system call ${call.number}`;
      return call.fd === null ? call.name : `${call.name}(fd ${call.fd})`;
  }
}
