#!/usr/bin/env node
// An echo server whose reactor says what it does. Run it, then talk to it from another terminal: nc 127.0.0.1 7007

import { constants } from 'node:os';
import { startClients } from './lib/clients.js';
import { chooseNarrator } from './lib/narrator.js';
import { readOptions, refuse } from './lib/options.js';
import { Reactor, listen } from './lib/underloop.js'; // in a program of yours: from 'underloop'

/** The server. This is all of it. */
function serveEcho({ poller, host, port, trigger }, observer) {
  const reactor = new Reactor({ poller, observer });
  const handlers = {
    data(connection, buffer, start, end) {
      connection.write(buffer, start, end); // what has come goes back
      if (connection.queuedBytes > 0) connection.pause(); // this client does not read: read no more from it
    },
    drain(connection) {
      connection.resume(); // it has read everything: go on
    },
  };
  return { reactor, listener: listen(reactor, { host, port, trigger }, handlers) };
}

/** Everything else: what is printed, the clients of --clients, and how it all ends. */
async function main() {
  const options = await readOptions(process.argv.slice(2));
  const narrator = chooseNarrator(options);
  const { reactor, listener } = startOrRefuse(options, narrator);

  let clients = null;
  let ending = false;
  const end = (why) => {
    if (!ending) narrator.ending(why);
    ending = true;
    clients?.stop();
    reactor.close(); // the listener, every connection, the poller; run() is over then
  };
  endOnSignals(end);
  endWithOutput(end);

  narrator.listening(listener.address, reactor.poller.kind, options.trigger);
  if (options.clients > 0) {
    clients = startClients(options.clients, listener.address);
    narrator.clientsStarted(options.clients, clients.pid);
  }
  const running = reactor.run();
  // Node's own promises go on while the reactor runs: this one settles when the process of the clients has gone.
  const report = await clients?.finished;
  if (clients !== null) end('the clients have finished');
  await running;

  narrator.summary(report);
  // Clients that were stopped half-way have no result; those that were not must have got every byte back.
  if (report && !report.stopped && report.failures.length > 0) process.exitCode = 1;
}

function startOrRefuse(options, narrator) {
  try {
    return serveEcho(options, narrator);
  } catch (error) {
    return refuse(error, options);
  }
}

/** The first Ctrl-C closes everything; a second one does not wait for that. */
function endOnSignals(end) {
  let signalled = false;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      if (signalled) process.exit(128 + constants.signals[signal]);
      signalled = true;
      end(signal);
    });
  }
}

/** Whoever reads us may leave first: echo-reactor.js | head */
function endWithOutput(end) {
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    end('nobody reads the output any more');
  });
}

await main();
