import { readFileSync } from 'node:fs';
import { Reactor, connect, listen } from 'underloop';

const MEMBERS = 30;
const reactor = new Reactor();
const room = new Set();
let dropped = 0;

function tell(text, except) {
  const bytes = Buffer.from(text);
  for (const member of room) {
    if (member === except || !member.writable) continue;
    if (member.write(bytes) < bytes.length) {
      dropped++;
      member.reset();
    }
  }
}

const server = listen(
  reactor,
  { port: 0, writeQueueBytesMax: 64 * 1024, sendBufferBytes: 16 * 1024 },
  {
    open(member) {
      room.add(member);
      tell(`+ ${room.size} present\n`, member);
    },
    data(member, buffer, start, end) {
      tell(Buffer.from(buffer.subarray(start, end)), member);
    },
    close(member) {
      room.delete(member);
    },
  },
);

let heard = 0;
const members = [];
const { port } = server.address;
const listening = {
  data(member, buffer, start, end) {
    heard += end - start;
  },
  error() {},
};
const asleep = {
  open(member) {
    member.pause();
  },
  error() {},
};
for (let i = 0; i < MEMBERS; i++) {
  const options = { port, receiveBufferBytes: i === 3 ? 4096 : undefined };
  if (i !== 3) delete options.receiveBufferBytes;
  members.push(connect(reactor, options, i === 3 ? asleep : listening));
}

let said = 0;
const speech = `${'presence and absence '.repeat(48)}\n`;
function speak() {
  for (let i = 0; i < 4; i++) {
    const member = members[said++ % MEMBERS];
    if (member.writable && member !== members[3]) member.write(speech);
  }
  if (said < 600) reactor.setTimer(8, speak);
  else reactor.setTimer(100, leave);
}
function leave() {
  for (const member of members) member.close();
  server.close();
}
reactor.setTimer(50, speak);
await reactor.run();

const runDelayMs = Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
const isWhole = dropped === 1 && heard > 5_000_000;
console.log(JSON.stringify({ fault: !isWhole, evidence: { said, heard, dropped, runDelayMs } }));
