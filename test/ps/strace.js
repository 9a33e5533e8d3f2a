// The epoll sets of a process as its system calls made them: strace's lines, replayed on a model of its descriptors.

import { EPOLL_FLAGS } from '../../dist/probe/index.js';

/** Everything that makes, copies or closes a descriptor, and what registers it. */
export const CALLS = [
  ...['epoll_create', 'epoll_create1', 'epoll_ctl', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'close'],
  ...['close_range', 'dup', 'dup2', 'dup3', 'fcntl', 'socket', 'socketpair', 'accept', 'accept4', 'pipe'],
  ...['pipe2', 'eventfd2', 'timerfd_create', 'signalfd4', 'inotify_init', 'inotify_init1', 'pidfd_open'],
  ...['open', 'openat', 'memfd_create', 'io_uring_setup'],
];
const MAKES_ONE = new Set([
  ...['epoll_create', 'epoll_create1', 'socket', 'accept', 'accept4', 'eventfd2', 'timerfd_create'],
  ...['signalfd4', 'inotify_init', 'inotify_init1', 'pidfd_open', 'open', 'openat', 'memfd_create'],
  'io_uring_setup',
]);

const bitsOf = (names) =>
  names.split('|').reduce((bits, name) => bits + (EPOLL_FLAGS[name] ?? Number(name)), 0);

/** One process without children. Fed with whole lines, in order. */
export class Replay {
  files = new Map(); // fd -> file
  sets = new Map(); // file of a set -> its entries
  begun = new Map(); // thread -> the first half of its line
  filesMade = 0;
  stops = 0;

  /** By descriptor of the set: lines `fd events data target`, sorted. Of duplicates of a set the lowest descriptor. */
  lists() {
    const lists = {};
    const told = new Set();
    for (const [epollFd, set] of [...this.files].sort((a, b) => a[0] - b[0])) {
      const entries = this.sets.get(set);
      if (entries === undefined || told.has(set)) continue;
      told.add(set);
      lists[epollFd] = entries
        .map(({ fd, file, events, data }) => {
          const now = this.files.get(fd);
          const target = now === undefined ? 'closed' : now === file ? 'same' : 'other';
          return `${fd} ${events.toString(16)} ${data} ${target}`;
        })
        .sort();
    }
    return lists;
  }

  line(text) {
    if (text.includes('--- stopped by SIGSTOP ---')) this.stops++;
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(text) ?? [];
    const started = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
    if (started !== undefined) {
      this.begun.set(thread, started);
      return;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    this.call(resumed === undefined ? rest : (this.begun.get(thread) ?? '') + resumed);
  }

  call(text) {
    const match = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(text);
    if (match === null || Number(match[3]) < 0) return;
    const [, name, args, value] = match;
    const result = Number(value);
    if (MAKES_ONE.has(name)) {
      this.open(result);
      if (name.startsWith('epoll_create')) this.sets.set(this.files.get(result), []);
    } else if (name === 'pipe' || name === 'pipe2' || name === 'socketpair') {
      for (const fd of /\[(\d+), (\d+)\]/.exec(args).slice(1)) this.open(Number(fd));
    } else if (/^dup/.test(name) || (name === 'fcntl' && args.includes('F_DUPFD'))) {
      const file = this.files.get(parseInt(args, 10));
      if (parseInt(args, 10) !== result) this.close(result);
      this.files.set(result, file ?? this.filesMade++);
    } else if (name === 'close') this.close(parseInt(args, 10));
    else if (name === 'close_range') {
      const [first, last] = args.split(', ').map(Number);
      for (const fd of [...this.files.keys()]) if (fd >= first && fd <= last) this.close(fd);
    } else if (name === 'epoll_ctl') this.control(args);
    else if (name.startsWith('epoll_')) this.fire(args);
  }

  open(fd) {
    this.files.set(fd, this.filesMade++);
  }

  /** A set holds a file until the last of its descriptors has gone. */
  close(fd) {
    const file = this.files.get(fd);
    this.files.delete(fd);
    if (file === undefined || [...this.files.values()].includes(file)) return;
    this.sets.delete(file);
    for (const [set, entries] of this.sets)
      this.sets.set(
        set,
        entries.filter((one) => one.file !== file),
      );
  }

  control(args) {
    const match = /^(\d+), EPOLL_CTL_(\w+), (\d+)(?:, \{events=(\S+), data=\{u32=\d+, u64=(\d+)\}\})?/.exec(
      args,
    );
    const entries = this.sets.get(this.files.get(Number(match[1])));
    const fd = Number(match[3]);
    const file = this.files.get(fd);
    const at = entries.findIndex((one) => one.fd === fd && one.file === file);
    if (at >= 0) entries.splice(at, 1);
    if (match[2] === 'DEL') return;
    const events = (bitsOf(match[4]) | EPOLL_FLAGS.EPOLLERR | EPOLL_FLAGS.EPOLLHUP) >>> 0;
    entries.push({ fd, file, events, data: `0x${BigInt(match[5]).toString(16)}` });
  }

  /** A oneshot that was reported keeps nothing but how it is triggered. The event's data names it. */
  fire(args) {
    const entries = this.sets.get(this.files.get(parseInt(args, 10))) ?? [];
    const oneshots = entries.filter(({ events }) => events & EPOLL_FLAGS.EPOLLONESHOT);
    if (oneshots.length === 0) return;
    for (const [, data] of args.matchAll(/data=\{u32=\d+, u64=(\d+)\}/g)) {
      const name = `0x${BigInt(data).toString(16)}`;
      for (const entry of oneshots) if (entry.data === name) entry.events = (entry.events & 0xf0000000) >>> 0;
    }
  }
}
