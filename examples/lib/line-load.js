// The clients of line-server.js, on node:net and in a process of their own, so that a blocked server does not block them.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { summary } from './statistics.js';

/** What is left of answers after the end of a run. */
const DRAIN_MS_MAX = 60_000;

/** One connection; answers come in the order of the requests. */
class Client {
  #waiting = [];
  #text = '';

  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('utf8');
    this.socket.on('data', (chunk) => {
      const lines = (this.#text + chunk).split('\n');
      this.#text = lines.pop();
      for (const line of lines) this.#waiting.shift().resolve(line);
    });
    const fail = () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the server closed the connection'));
    };
    this.socket.on('error', fail).on('close', fail);
  }
  /** Sends a request, and gives the time until its answer was there. Checks that it is the right one. */
  async ask(line, expected, sinceMs = performance.now()) {
    const answer = await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.socket.write(`${line}\n`);
    });
    if (answer !== expected) throw new Error(`asked ${line}, and was answered ${answer}`);
    return { sentMs: sinceMs, answeredMs: performance.now(), latencyMs: performance.now() - sinceMs };
  }
}

async function connected(port, count) {
  const clients = Array.from({ length: count }, () => new Client(port));
  await Promise.all(clients.map(({ socket }) => once(socket, 'connect')));
  return clients;
}

/** `requests` at once, each on a connection of its own that stands before; times from the first request. */
async function burst({ port, requests, line, answer }) {
  const clients = await connected(port, requests);
  const startMs = performance.now();
  const answers = await Promise.all(clients.map((client) => client.ask(line, answer, startMs)));
  for (const { socket } of clients) socket.destroy();
  return { answeredMs: answers.map(({ latencyMs }) => latencyMs).sort((a, b) => a - b) };
}

/**
 * `clients` ask one request after the other, `ping` is asked every `pingEveryMs` by somebody else, on time even when the
 * last answer is not there. Latencies are those of what was sent in `durationMs`, after `warmMs`; the rate is that of all.
 */
async function closedLoop({ port, clients: count, line, answer, warmMs, durationMs, pingEveryMs }) {
  const [clients, [pinger]] = await Promise.all([connected(port, count), connected(port, 1)]);
  const startMs = performance.now();
  const fromMs = startMs + warmMs;
  const untilMs = fromMs + durationMs;
  const asked = [];
  const pinged = [];
  const asking = clients.map(async (client, i) => {
    for (let id = i + 1; performance.now() < untilMs; id = ((id + count - 1) % 1000) + 1) {
      asked.push(await client.ask(line.replace('ID', id), answer.replace('ID', id)));
    }
  });
  const allAsked = Promise.all(asking);
  allAsked.catch(() => {}); // it is awaited later
  const pinging = [];
  for (let dueMs = fromMs; dueMs < untilMs; dueMs += pingEveryMs) {
    await sleep(Math.max(dueMs - performance.now(), 0));
    // A timer of Node may be early by a part of a millisecond.
    const ping = pinger
      .ask('ping', 'pong', Math.min(dueMs, performance.now()))
      .then((answered) => pinged.push(answered));
    ping.catch(() => {});
    pinging.push(ping);
  }
  const late = new Promise((_, reject) => {
    const text = `no answer within ${DRAIN_MS_MAX} ms after the end`;
    setTimeout(() => reject(new Error(text)), DRAIN_MS_MAX).unref();
  });
  await Promise.race([Promise.all([allAsked, ...pinging]), late]);
  for (const { socket } of [...clients, pinger]) socket.destroy();

  // To the last answer, for a server that is blocked gives many at once.
  const lastMs = Math.max(...asked.map(({ answeredMs }) => answeredMs));
  return {
    answered: asked.length,
    perSecond: (asked.length / (lastMs - startMs)) * 1000,
    latency: summary(asked.filter(({ sentMs }) => sentMs >= fromMs).map(({ latencyMs }) => latencyMs)),
    others: summary(pinged.map(({ latencyMs }) => latencyMs)),
  };
}

/** For a process of processes.js. */
export function lineLoad() {
  return { ready: {}, calls: { burst, closedLoop } };
}
