// The interest list read from outside is at each moment the one that strace has seen registered, phantoms included.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Random } from '../../src/load/random.js';
import { EPOLL_FLAGS, decodeEvents, isKnown, readInterest } from '../../src/probe/index.js';

const STEPS = 1000;
const CALLS =
  'epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2,close,dup,fcntl,eventfd2,pipe,pipe2,socketpair,write';

/** Why it cannot run; null: it can. */
function obstacle(): string | null {
  if (process.platform !== 'linux') return `${process.platform} has no epoll`;
  const { error, status, stderr } = spawnSync('strace', ['-f', '-e', 'trace=none', 'true'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (error !== undefined) return `strace cannot be run: ${error.message}`;
  return status === 0 ? null : `strace is not allowed here: ${stderr.trim()}`;
}

interface Entry {
  readonly fd: number;
  readonly file: number;
  events: number;
  readonly data: bigint;
}

const bitsOf = (names: string): number =>
  names
    .split('|')
    .reduce((bits, name) => bits + (EPOLL_FLAGS[name as keyof typeof EPOLL_FLAGS] ?? Number(name)), 0);

/** What one line each should be: fd, events, data, and whether the fd is still that file. */
const show = (fd: number, events: number, data: bigint, target: string): string =>
  `${fd} ${decodeEvents(events).join('|')} ${data.toString(16)} ${target}`;

/** A model of one process's descriptors and one epoll set, fed with strace's lines. */
class Replay {
  private readonly files = new Map<number, number>();
  private filesMade = 0;
  private entries: Entry[] = [];
  constructor(private readonly epollFd: number) {}

  list(): string[] {
    return this.entries
      .map(({ fd, file, events, data }) => {
        const now = this.files.get(fd);
        return show(fd, events, data, now === undefined ? 'closed' : now === file ? 'same' : 'other');
      })
      .sort();
  }

  feed(call: string): void {
    const match = /^(\w+)\((.*)\)\s+= (-?\d+)/.exec(call);
    if (match === null) return;
    const [, name, args = '', text] = match;
    const result = Number(text);
    if (result < 0) return;
    switch (name) {
      case 'eventfd2':
        this.files.set(result, this.filesMade++);
        break;
      case 'pipe':
      case 'pipe2':
      case 'socketpair':
        for (const fd of /\[(\d+), (\d+)\]/.exec(args)!.slice(1))
          this.files.set(Number(fd), this.filesMade++);
        break;
      case 'dup':
      case 'fcntl': {
        const old = this.files.get(parseInt(args, 10));
        if (name === 'fcntl' && !args.includes('F_DUPFD')) break;
        this.files.set(result, old ?? this.filesMade++);
        break;
      }
      case 'close':
        this.close(parseInt(args, 10));
        break;
      case 'epoll_ctl':
        this.control(args);
        break;
      case 'epoll_wait':
      case 'epoll_pwait':
      case 'epoll_pwait2':
        if (parseInt(args, 10) === this.epollFd) this.fire(args);
    }
  }

  private close(fd: number): void {
    const file = this.files.get(fd);
    this.files.delete(fd);
    // The set holds a file until the last of its descriptors has gone.
    if (![...this.files.values()].includes(file!))
      this.entries = this.entries.filter((one) => one.file !== file);
  }

  private control(args: string): void {
    const match = /^(\d+), EPOLL_CTL_(\w+), (\d+)(?:, \{events=(\S+), data=\{u32=\d+, u64=(\d+)\}\})?/.exec(
      args,
    )!;
    if (Number(match[1]) !== this.epollFd) return;
    const fd = Number(match[3]);
    const file = this.files.get(fd)!;
    const at = this.entries.findIndex((one) => one.fd === fd && one.file === file);
    if (at >= 0) this.entries.splice(at, 1);
    if (match[2] === 'DEL') return;
    const events = bitsOf(match[4]!);
    this.entries.push({
      fd,
      file,
      events: (events | EPOLL_FLAGS.EPOLLERR | EPOLL_FLAGS.EPOLLHUP) >>> 0,
      data: BigInt(match[5]!),
    });
  }

  /** A oneshot that was reported keeps nothing but how it is triggered. */
  private fire(args: string): void {
    for (const [, data] of args.matchAll(/data=\{u32=\d+, u64=(\d+)\}/g)) {
      for (const entry of this.entries) {
        if (entry.data === BigInt(data!) && entry.events & EPOLL_FLAGS.EPOLLONESHOT)
          entry.events = (entry.events & 0xf0000000) >>> 0;
      }
    }
  }
}

/** Random operations, some of which the kernel refuses; knows only which descriptors it was given. */
class Script {
  private readonly random = new Random(20_260_917);
  private readonly open: number[] = [];
  private slots = 0;

  private pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.random.next() * list.length)]!;
  }
  next(): string {
    const fd = this.open.length === 0 ? 900 : this.pick(this.open);
    if (this.open.length < 4) return this.pick(['eventfd', 'pair', 'pipe']);
    const interest = 1 + Math.floor(this.random.next() * 7) + this.pick([0, 0, 256, 512, 768, 1024]);
    const name = this.pick([
      'add',
      'add',
      'add',
      'modify',
      'modify',
      'remove',
      'close',
      'close',
      'dup',
      'open',
      'wait',
    ]);
    switch (name) {
      case 'add':
      case 'modify':
        return `${name} ${fd} ${interest} ${++this.slots}`;
      case 'close':
        this.open.splice(this.open.indexOf(fd), 1);
        return `close ${fd}`;
      case 'open':
        return this.open.length < 30 ? this.pick(['eventfd', 'pair', 'pipe']) : 'wait';
      case 'dup':
        return this.open.length < 30 ? `dup ${fd}` : 'wait';
      case 'wait':
        return 'wait';
      default:
        return `${name} ${fd}`;
    }
  }
  answered(operation: string, answer: string): void {
    if (/^(dup|eventfd|pair|pipe)/.test(operation)) this.open.push(...answer.split(' ').map(Number));
  }
}

/** Strace's lines, those that another thread interrupted put together again, without their thread ids. */
function straceCalls(text: string): string[] {
  const begun = new Map<string, string>();
  return text.split('\n').flatMap((line) => {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const started = /^(.*) <unfinished \.\.\.>$/.exec(rest)?.[1];
    if (started !== undefined) {
      begun.set(thread, started);
      return [];
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest)?.[1];
    return resumed === undefined ? [rest] : [(begun.get(thread) ?? '') + resumed];
  });
}

test('after each of 1,000 random steps the list is the one that strace has seen', async ({ skip }) => {
  const reason = obstacle();
  if (reason !== null) skip(reason);
  const folder = mkdtempSync(join(tmpdir(), 'underloop-strace-'));
  const log = join(folder, 'log');
  const program = fileURLToPath(new URL('children/epoll-steps.js', import.meta.url));
  const traced = ['-e', `trace=${CALLS}`, '-e', 'signal=none', '-v'];
  const child = spawn('strace', ['-f', '--seccomp-bpf', '-o', log, ...traced, process.execPath, program], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 25_000,
  });
  try {
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const line = async (): Promise<string> => (await lines.next()).value as string;
    const [pid, epollFd] = (await line()).split(' ').map(Number) as [number, number];
    const script = new Script();
    const seen: { operation: string; list: string[] }[] = [];
    let kcmp = true;
    for (let step = 0; step < STEPS; step++) {
      const operation = script.next();
      child.stdin.write(`${operation}\n`);
      script.answered(operation, await line());
      const reading = readInterest(pid, epollFd);
      if (!isKnown(reading)) throw new Error(reading.unavailable);
      const list = reading.value.entries.map(({ fd, events, data, target }) => {
        if (!isKnown(target)) kcmp = false;
        return show(fd, events, data, isKnown(target) ? target.value : '?');
      });
      seen.push({ operation, list: list.sort() });
    }
    child.stdin.end();
    await once(child, 'close');

    const replay = new Replay(epollFd);
    let step = -1;
    let phantoms = 0;
    let fired = 0;
    for (const call of straceCalls(readFileSync(log, 'utf8'))) {
      replay.feed(call);
      // What the child answers ends a step; its first line comes before any.
      if (!call.startsWith('write(1, ')) continue;
      if (step >= 0) {
        const expected = replay.list();
        // Where the kernel does not compare files (no kcmp), a target may be unknown, but not wrong.
        const { operation, list } = seen[step]!;
        const told = kcmp
          ? expected
          : expected.map((one, i) => (list[i]?.endsWith('?') === true ? one.replace(/\w+$/, '?') : one));
        if (list.join('\n') !== told.join('\n'))
          expect({ step, operation, list }).toEqual({ step, operation, list: told });
        if (expected.some((one) => /closed$|other$/.test(one))) phantoms++;
        if (expected.some((one) => /^\d+ (?:EPOLLONESHOT|EPOLLONESHOT\|EPOLLET) /.test(one))) fired++;
      }
      step++;
    }
    expect(step).toBe(STEPS);
    // The script has gone where it is difficult.
    expect(phantoms).toBeGreaterThan(50);
    expect(fired).toBeGreaterThan(20);
    expect(Math.max(...seen.map(({ list }) => list.length))).toBeGreaterThan(8);
  } finally {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
