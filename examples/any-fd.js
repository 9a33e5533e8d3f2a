#!/usr/bin/env node
// A pipe, a timer, a folder and a process in one loop: four kinds of file descriptor, none of them a socket. Linux.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { READABLE, Reactor, SystemError, descriptors } from './lib/underloop.js'; // in a program of yours: 'underloop'

const HELP = `Waits on a pipe, a timerfd, an inotify descriptor and a pidfd in one loop, and says what each reports.

  node examples/any-fd.js [--ticks N]

  --ticks N    how many times the child writes, once per tick of 50 ms (3)
  -h, --help   this text

A child process writes lines into a pipe and files into a folder, then exits. The loop hears the lines through the pipe,
the files through inotify, the time through a timerfd and the child's end through a pidfd. It ends by itself.
Exit status 1: the system lacks one of them (timerfd, inotify and pidfd are Linux's). 2: a wrong option.`;

const TICK_MS = 50;
const NAME_AT = 16; // struct inotify_event: four numbers of four bytes, and then the name; inotify(7)

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        ticks: { type: 'string', default: '3' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (!/^[1-9]\d{0,2}$/.test(values.ticks)) {
      throw new Error(`--ticks must be a whole number from 1 to 999; got ${values.ticks}`);
    }
    return { ticks: Number(values.ticks), help: values.help };
  } catch (error) {
    console.error(`any-fd: ${error.message}. See --help.`);
    process.exit(2);
  }
}

/** Makes a descriptor of a kind that not every system has. */
function make(what, maker) {
  try {
    return maker();
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'ENOSYS') throw error;
    console.error(
      `any-fd: ${process.platform} has no ${what}. A pipe, a socket or a terminal can be waited on everywhere; ` +
        'timerfd, inotify and pidfd are descriptors of Linux (pidfd since 5.3). Elsewhere a timer is reactor.setTimer(), ' +
        "and Node's own fs.watch() and child_process go on beside the reactor.",
    );
    process.exit(1);
  }
}

/** The names in what was read from an inotify descriptor. */
function* namesIn(bytes, count) {
  for (let at = 0; at < count;) {
    const nameBytes = bytes.readUInt32LE(at + 12);
    const name = bytes.toString('utf8', at + NAME_AT, at + NAME_AT + nameBytes);
    yield name.slice(0, name.indexOf('\0'));
    at += NAME_AT + nameBytes;
  }
}

const { ticks, help } = readOptions();
if (help) {
  console.log(HELP);
  process.exit(0);
}

const folder = mkdtempSync(join(tmpdir(), 'any-fd-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const reactor = new Reactor();
const bytes = Buffer.alloc(4096);

/** Watches a descriptor that is ours, until the handler says that it is done with. */
function watch(fd, handler) {
  reactor.watch(fd, READABLE, (_readiness, watching) => {
    const count = descriptors.read(fd, bytes);
    if (count === null || handler(count) !== 'done') return; // null: nothing is there after all
    watching.close(); // the watch first,
    descriptors.close(fd); // then the descriptor
  });
}

let written = 0;
let childIsThere = true;
const CREATED = 0x100; // IN_CREATE
watch(
  make('inotify', () => descriptors.inotify(folder, CREATED)),
  (count) => {
    for (const name of namesIn(bytes, count)) {
      console.log(`inotify: ${name} was created`);
      written++;
    }
    return written === ticks ? 'done' : 'more';
  },
);

const [readEnd, writeEnd] = descriptors.pipe();
// Of the child the write end is the standard output: what it prints, the pipe brings.
const program =
  'i=0; while [ $i -lt "$1" ]; do i=$((i+1)); echo "line $i"; : > "$2/file-$i"; sleep 0.05; done';
const child = spawn('sh', ['-c', program, 'sh', String(ticks), folder], {
  stdio: ['ignore', writeEnd, 'inherit'],
});
descriptors.close(writeEnd); // or the pipe would never end: it does when nobody has its write end any more
watch(readEnd, (count) => {
  if (count === 0) {
    console.log('pipe: the end');
    return 'done';
  }
  for (const line of bytes.toString('utf8', 0, count).trimEnd().split('\n')) console.log(`pipe: ${line}`);
  return 'more';
});

// Opened before Node can have waited for the child, so the number is still the child's.
const pidFd = make('pidfd', () => descriptors.pidFd(child.pid));
const pidWatch = reactor.watch(pidFd, READABLE, () => {
  console.log('pidfd: the child has ended'); // there is nothing to read; it stays readable
  childIsThere = false;
  pidWatch.close();
  descriptors.close(pidFd);
});

watch(
  make('timerfd', () => descriptors.timerFd(TICK_MS, TICK_MS)),
  () => {
    const expirations = Number(bytes.readBigUInt64LE(0));
    console.log(`timerfd: ${expirations === 1 ? 'a tick' : `${expirations} ticks`}`);
    return childIsThere ? 'more' : 'done';
  },
);

await reactor.run(); // until nothing is left to wait for
console.log('nothing is left to wait for');
