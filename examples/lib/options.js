// The command line of echo-reactor.js: reads it, and refuses what is wrong with the name, the value and the remedy.

import { parseArgs } from 'node:util';
import { SystemError, UnderloopError, nativeKernel, resolveHost } from './underloop.js';

const HELP = `An echo server on underloop's reactor, which tells each turn of the loop as it happens.

  node examples/echo-reactor.js [options]

  --port PORT         the port to listen on; 0: the system chooses (7007)
  --host HOST         the address to listen on (127.0.0.1)
  --poller KIND       what to wait with; here: ${nativeKernel.pollerKinds.join(', ')} (${nativeKernel.pollerKinds[0]})
  --trigger MODE      level: reported while it is so; edge: when it becomes so (level)
  --clients N         start N clients in a process of their own, and end when they have finished
  --quiet             only say where it listens, and the summary at the end
  --json              one JSON object per line and event, for programs
  --no-color          no colours (there are none anyway when the output is not a terminal)
  -h, --help          this text

Ctrl-C closes everything, prints the summary and exits with 0; a second Ctrl-C exits at once with 130.
Exit status 1: the system refused (the port is in use, ...) or a client got wrong bytes. 2: a wrong option.

Examples
  node examples/echo-reactor.js                      then, in another terminal: nc 127.0.0.1 7007
  node examples/echo-reactor.js --clients 5          watch five clients being served, without a second terminal
  node examples/echo-reactor.js --trigger edge       the same turns, edge-triggered: compare the calls
  node examples/echo-reactor.js --poller select      the oldest way to wait
  node examples/echo-reactor.js --clients 3 --json   the same as data`;

const CLIENTS_MAX = 1000;

const specification = {
  port: { type: 'string', default: '7007' },
  host: { type: 'string', default: '127.0.0.1' },
  poller: { type: 'string' }, // undefined: the reactor's own choice, or the environment's UNDERLOOP_POLLER
  trigger: { type: 'string', default: 'level' },
  clients: { type: 'string', default: '0' },
  quiet: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  'no-color': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
};

/** The options, checked. Prints the help, or what is wrong, and ends the process where there is nothing to run. */
export async function readOptions(args) {
  const { values, tokens } = parseArgs({ args, options: specification, strict: false, tokens: true });
  for (const token of tokens) checkToken(token);
  if (values.help) {
    console.log(HELP);
    process.exit(0);
  }
  return {
    port: integer('--port', values.port, 0, 65_535),
    host: await numericHost(values.host),
    poller: values.poller && oneOf('--poller', values.poller, nativeKernel.pollerKinds, 'this system has'),
    trigger: oneOf('--trigger', values.trigger, ['level', 'edge'], 'there are'),
    clients: integer('--clients', values.clients, 0, CLIENTS_MAX),
    quiet: values.quiet,
    json: values.json,
    // hasColors() knows NO_COLOR and what the terminal can do.
    color: !values['no-color'] && process.stdout.isTTY === true && process.stdout.hasColors(),
  };
}

/** Ends the process because of what the library threw: 2 where an option was wrong, 1 where the system said no. */
export function refuse(error, options) {
  const { host, port } = options;
  if (error instanceof UnderloopError) fail(2, error.message.replace('options.', '--'));
  if (!(error instanceof SystemError)) throw error;
  if (error.code === 'EADDRINUSE') {
    fail(
      1,
      `port ${port} of ${host} is in use; choose another one with --port, or --port 0 for any free one`,
    );
  }
  if (error.code === 'EADDRNOTAVAIL') {
    fail(1, `--host ${host} is not an address of this machine; the default is 127.0.0.1`);
  }
  fail(1, error.message);
}

function checkToken(token) {
  if (token.kind !== 'option')
    fail(2, `unexpected argument '${token.value ?? '--'}'; all options begin with --`);
  if (!Object.hasOwn(specification, token.name)) fail(2, `unknown option ${token.rawName}`);
  const takesValue = specification[token.name].type === 'string';
  if (takesValue && token.value === undefined) fail(2, `${token.rawName} needs a value`);
  if (!takesValue && token.value !== undefined) {
    fail(2, `${token.rawName} takes no value; got '${token.value}'`);
  }
}

function integer(name, text, min, max) {
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    fail(2, `${name} must be an integer from ${min} to ${max}; got '${text}'`);
  }
  return value;
}

function oneOf(name, value, allowed, where) {
  if (!allowed.includes(value)) fail(2, `${name} cannot be '${value}'; ${where} ${allowed.join(', ')}`);
  return value;
}

/** A name such as localhost as an address. Node's resolver does it, on its thread pool: see docs/handlers.md. */
async function numericHost(host) {
  try {
    return (await resolveHost(host)).host;
  } catch (error) {
    if (error instanceof UnderloopError) fail(2, `--host must be an address or a host name; got '${host}'`);
    return fail(1, `--host ${host}: ${error.message}`);
  }
}

function fail(status, message) {
  console.error(`echo-reactor: ${message}${status === 2 ? ' (--help shows the options)' : ''}`);
  process.exit(status);
}
