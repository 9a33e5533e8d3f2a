import { readFileSync } from 'node:fs';
import { Reactor, connect, listen } from 'underloop';

const EMAIL = /^([a-z0-9]+[._-]?)+@example\.(com|org)$/;

function waitedMs() {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

const reactor = new Reactor();
const worst = { wallMs: 0, delayMs: 0 };
let checked = 0;
let valid = 0;

const form = listen(
  reactor,
  { port: 0 },
  {
    data(connection, buffer, start, end) {
      const startedMs = performance.now();
      const waited = waitedMs();
      for (const line of Buffer.from(buffer.subarray(start, end)).toString().trim().split('\n')) {
        checked++;
        const isValid = EMAIL.test(line);
        if (isValid) valid++;
        connection.write(isValid ? 'thank you\n' : 'please check your address\n');
      }
      const wallMs = performance.now() - startedMs;
      if (wallMs > worst.wallMs) Object.assign(worst, { wallMs, delayMs: waitedMs() - waited });
    },
  },
);

const addresses = [
  'ada@example.org',
  'grace.hopper@example.com',
  'no address at all',
  'wintermuteneuromancerstray@example.net',
  'a_b-c@example.org',
];

let answers = 0;
const visitor = connect(
  reactor,
  { port: form.address.port },
  {
    open: submit,
    data() {
      answers++;
      reactor.setTimer(60, submit);
    },
  },
);
function submit() {
  const address = addresses[answers % addresses.length];
  if (answers < addresses.length * 2) visitor.write(`${address}\n`);
  else {
    visitor.close();
    form.close();
  }
}

await reactor.run();
const rounded = { wallMs: Math.round(worst.wallMs), delayMs: Math.round(worst.delayMs) };
console.log(JSON.stringify({ fault: worst.wallMs >= 150, evidence: { worst: rounded, checked, valid } }));
