#!/usr/bin/env node
// A chat of many users, line by line, over TCP or a Unix socket. Run it, then join it from other terminals with nc.

import { parseArgs } from 'node:util';
import { Reactor, SystemError, UnderloopError, listen } from './lib/underloop.js'; // in a program of yours: 'underloop'

const HELP = `A chat of many users, line by line. /name NEW renames you, /who lists everybody, /quit leaves.

  node examples/chat.js [--port PORT | --path PATH]

  --port PORT   the port of 127.0.0.1 to listen on; 0: the system chooses (7000)
  --path PATH   a Unix socket of that path instead; what a killed server has left there is replaced
  -h, --help    this text

Ctrl-C ends it, with 0. Exit status 1: the system refused (the port is in use, ...). 2: a wrong option.

  node examples/chat.js                          then, in other terminals: nc 127.0.0.1 7000
  node examples/chat.js --path /tmp/chat.sock    then: nc -U /tmp/chat.sock`;

/** A line may be so long. Who sends more without an end of line is turned out, for the rest must be kept somewhere. */
const LINE_BYTES_MAX = 1024;
/** What waits for a reader that is too slow. Who has more waiting is turned out: one reader must not cost all of them. */
const QUEUE_BYTES_MAX = 64 * 1024;
const USERS_MAX = 10_000;
const NAME = /^[\p{L}\p{N}_-]{1,20}$/u;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '7000' },
        path: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    if (values.path !== undefined) return { path: values.path, replaceStale: true };
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65_535) {
      throw new Error(`--port must be a port from 0 to 65535; got ${values.port}`);
    }
    return { port };
  } catch (error) {
    fail(2, `${error.message}. See --help`);
  }
}

function fail(status, message) {
  console.error(`chat: ${message}.`);
  process.exit(status);
}

/** Who is here: the connection of each name. */
const users = new Map();
let guests = 0;

/** To everybody but one. A copy for each is made only where the kernel does not take it at once. */
function tellAll(text, but) {
  const line = Buffer.from(`${text}\n`);
  for (const connection of [...users.values()]) if (connection !== but) send(connection, line);
}

function send(connection, line) {
  if (!connection.writable || connection.write(line) === line.length) return;
  connection.context.reason = 'was too slow to read';
  connection.reset();
}

function say(connection, text) {
  send(connection, Buffer.from(`${text}\n`));
}

function rename(connection, name) {
  const user = connection.context;
  if (!NAME.test(name)) say(connection, '* a name has up to 20 letters, digits, - and _');
  else if (users.has(name)) say(connection, `* ${name} is taken`);
  else {
    users.delete(user.name);
    users.set(name, connection);
    tellAll(`* ${user.name} is now ${name}`);
    user.name = name;
  }
}

function received(connection, line) {
  const { name } = connection.context;
  const [command, argument = ''] = line.split(/\s+/, 2);
  if (line === '') return;
  if (command === '/name') rename(connection, argument);
  else if (command === '/who') say(connection, `* ${[...users.keys()].join(', ')}`);
  else if (command === '/quit') connection.end();
  else if (command.startsWith('/')) say(connection, '* /name NEW, /who or /quit');
  else tellAll(`${name}: ${line}`, connection);
}

/** Control characters would move the cursor of other people's terminals. */
function printable(bytes) {
  return bytes.toString('utf8').replace(/\p{Cc}/gu, '');
}

const handlers = {
  open(connection) {
    const name = `guest${++guests}`;
    connection.context = { name, rest: Buffer.alloc(0), reason: 'left' };
    tellAll(`* ${name} joined`);
    users.set(name, connection);
    say(connection, `* welcome, ${name}: ${users.size} here. /name NEW, /who, /quit`);
  },

  data(connection, buffer, start, end) {
    const user = connection.context;
    let rest = Buffer.concat([user.rest, buffer.subarray(start, end)]);
    for (let at = rest.indexOf('\n'); at >= 0 && at <= LINE_BYTES_MAX; at = rest.indexOf('\n')) {
      received(connection, printable(rest.subarray(0, at)).trim());
      rest = rest.subarray(at + 1);
      if (!connection.writable) return;
    }
    user.rest = Buffer.from(rest);
    if (rest.length <= LINE_BYTES_MAX) return;
    user.reason = 'sent too long a line';
    say(connection, `* a line may have ${LINE_BYTES_MAX} bytes`);
    connection.close();
  },

  close(connection) {
    const { name, reason } = connection.context;
    users.delete(name);
    tellAll(`* ${name} ${reason}`);
  },
};

const where = readOptions();
const reactor = new Reactor();
let listener;
try {
  const bounds = { writeQueueBytesMax: QUEUE_BYTES_MAX, connectionsMax: USERS_MAX };
  listener = listen(reactor, { ...where, ...bounds }, handlers);
} catch (error) {
  if (!(error instanceof SystemError) && !(error instanceof UnderloopError)) throw error;
  fail(error instanceof UnderloopError ? 2 : 1, error.message);
}

const { address } = listener;
console.log(`chat at ${address.path ?? `${address.host}:${address.port}`}`);

/** Ctrl-C: says so, sends what is queued, removes the socket's file. */
function stop() {
  listener.close();
  tellAll('* the chat is over');
  for (const connection of users.values()) connection.end();
  // Who does not end too has a second.
  setTimeout(() => reactor.close(), 1000).unref();
}
process.once('SIGINT', stop).once('SIGTERM', stop);

await reactor.run();
reactor.close();
