#!/usr/bin/env node
// An echo server for datagrams, with its counters. Run it, then talk to it from another terminal: nc -u 127.0.0.1 7007

import { constants } from 'node:os';
import { parseArgs } from 'node:util';
import { Reactor, SystemError, UnderloopError, datagram } from './lib/underloop.js'; // in a program of yours: 'underloop'

const HELP = `A UDP echo server: each datagram goes back to whoever sent it.

  node examples/udp-echo.js [options]

  --port PORT   the port to listen on; 0: the system chooses (7007)
  --host HOST   the numeric address to listen on, IPv4 or IPv6 (127.0.0.1)
  --unix NAME   a Unix datagram socket of that path instead; @NAME is an abstract name (Linux)
  --quiet       no counters while it runs, only at the end
  -h, --help    this text

Once a second, if anything has happened, it prints its counters. Ctrl-C closes the socket, prints the last of them and
exits with 0. Exit status 1: the system refused (the port is in use, ...). 2: a wrong option.

  node examples/udp-echo.js            then, in another terminal: nc -u 127.0.0.1 7007`;

const REPORT_MS = 1000;

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: '7007' },
        host: { type: 'string', default: '127.0.0.1' },
        unix: { type: 'string' },
        quiet: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      console.log(HELP);
      process.exit(0);
    }
    const port = Number(values.port);
    if (!/^\d+$/.test(values.port) || port > 65_535) {
      throw new Error(`--port must be a port from 0 to 65535; got ${values.port}`);
    }
    const where =
      values.unix === undefined ? { host: values.host, port } : { path: values.unix.replace(/^@/, '\0') };
    return { where, quiet: values.quiet };
  } catch (error) {
    console.error(`udp-echo: ${error.message}. See --help.`);
    process.exit(2);
  }
}

/** The server. This is all of it. */
function serveEcho(reactor, where) {
  return datagram(reactor, where, {
    message(socket, buffer, start, end, sender) {
      if (sender.named) socket.send(buffer, sender, start, end); // queued; leaves at the end of the turn with the others
    },
    error(_socket, error) {
      console.error(`udp-echo: ${error.message}`); // one datagram was refused; the socket goes on
    },
  });
}

const { where, quiet } = readOptions();
const reactor = new Reactor();
let socket;
try {
  socket = serveEcho(reactor, where);
} catch (error) {
  if (!(error instanceof SystemError) && !(error instanceof UnderloopError)) throw error;
  console.error(`udp-echo: ${error.message}`);
  process.exit(error instanceof UnderloopError ? 2 : 1);
}

const counters = () =>
  `${socket.received} received, ${socket.sent} sent, ${socket.dropped} dropped, ${socket.truncated} cut off; ${reactor.turnNumber} turns`;
const { address } = socket;
console.log(
  address.family === 'unix'
    ? `listening at ${address.path.replace('\0', '@')}`
    : `listening on ${address.host}:${address.port} (UDP)`,
);

let told = 0;
function report() {
  if (socket.received !== told) console.log(counters());
  told = socket.received;
  reactor.setTimer(REPORT_MS, report).unref();
}
if (!quiet) reactor.setTimer(REPORT_MS, report).unref();

let signalled = false;
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (signalled) process.exit(128 + constants.signals[signal]);
    signalled = true;
    socket.close();
  });
}

await reactor.run(); // until the socket is closed
console.log(`closed: ${counters()}`);
