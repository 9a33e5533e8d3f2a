import { EVENT_STRIDE, Poller, READABLE, descriptors } from 'underloop';

const poller = new Poller();
const players = new Map();
const bytes = new Uint8Array(512);
let joined = 0;
let lostNewcomers = 0;
let falseAlarms = 0;

function join(name) {
  const [server, client] = descriptors.socketPair();
  const registration = poller.add(server, READABLE);
  players.set(registration.slot, { name, server, client, registration, heard: 0, joinedAt: round });
  joined++;
  return players.get(registration.slot);
}

function leave(player) {
  poller.remove(player.registration);
  descriptors.close(player.server);
  players.delete(player.registration.slot);
}

function onPlayer(player) {
  const count = descriptors.read(player.server, bytes);
  if (!count) {
    if (player.heard === 0) lostNewcomers++;
    if (count === null) falseAlarms++;
    leave(player);
    if (count === null) descriptors.close(player.client);
    return;
  }
  player.heard++;
  const [verb, whom] = Buffer.from(bytes.subarray(0, count)).toString().split(' ');
  if (verb !== 'banish') return;
  const victim = [...players.values()].find(({ name }) => name === whom);
  if (victim === undefined) return;
  leave(victim);
  descriptors.close(victim.client);
  waiting.push(join(`pilgrim${round}`));
}

let round = 0;
const waiting = [];
const wizard = join('wizard');
const events = new Int32Array(64 * EVENT_STRIDE);
const startedMs = performance.now();
while (performance.now() - startedMs < 1600) {
  round++;
  const goblin = join(`goblin${round}`);
  descriptors.write(wizard.client, Buffer.from(`banish ${goblin.name}`));
  descriptors.write(goblin.client, Buffer.from('growl'));
  const count = poller.wait(events, 20);
  for (let i = 0; i < count * EVENT_STRIDE; i += EVENT_STRIDE) {
    const player = players.get(events[i]);
    if (player !== undefined) onPlayer(player);
  }
  for (const player of waiting.splice(0)) {
    if (!poller.isCurrent(player.registration)) continue;
    leave(player);
    descriptors.close(player.client);
  }
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4);
}

leave(wizard);
descriptors.close(wizard.client);
poller.close();
console.log(
  JSON.stringify({
    fault: lostNewcomers > 50 && falseAlarms === lostNewcomers,
    evidence: { rounds: round, joined, lostNewcomers, falseAlarms },
  }),
);
