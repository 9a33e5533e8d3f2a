import { createHash } from 'node:crypto';
import { READABLE, Reactor, descriptors } from 'underloop';

const RECORD = 16;
const reactor = new Reactor();
const [next, found] = descriptors.pipe();
const record = new Uint8Array(RECORD);
const seen = new Set();
let pages = 0;

function linksOf(page) {
  const digest = createHash('sha256').update(`page ${page}`).digest();
  for (let round = 0; round < 40; round++) createHash('sha256').update(digest).digest();
  return [digest.readUInt32BE(0) % 200_000, digest.readUInt32BE(4) % 200_000];
}

function push(page) {
  if (seen.has(page) || seen.size > 9000) return;
  seen.add(page);
  descriptors.write(found, Buffer.from(String(page).padEnd(RECORD)));
}

function crawl() {
  while (descriptors.read(next, record) === RECORD) {
    pages++;
    for (const link of linksOf(Number(Buffer.from(record).toString()))) push(link);
  }
}

const crawling = reactor.watch(next, READABLE, crawl);

let beats = 0;
let worstMs = 0;
let dueMs = reactor.now() + 20;
function heartbeat() {
  beats++;
  worstMs = Math.max(worstMs, reactor.now() - dueMs);
  if (beats === 20) for (let seed = 0; seed < 40; seed++) push(seed);
  if (beats < 60) {
    dueMs = reactor.now() + 20;
    reactor.setTimer(20, heartbeat);
    return;
  }
  crawling.close();
  descriptors.close(next);
  descriptors.close(found);
}
reactor.setTimer(20, heartbeat);
await reactor.run();
console.log(
  JSON.stringify({ fault: worstMs >= 300, evidence: { worstMs: Math.round(worstMs), beats, pages } }),
);
