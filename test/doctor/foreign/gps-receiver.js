import { READABLE, Reactor, descriptors } from 'underloop';

const FIXES = [
  '$GPGGA,092750.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,,*76',
  '$GPGSA,A,3,10,07,05,02,29,04,08,13,,,,,1.72,1.03,1.38*0A',
  '$GPRMC,092750.000,A,5321.6802,N,00630.3372,W,0.02,31.66,280511,,,A*43',
];

class Receiver {
  #line = new Uint8Array(82);
  #text = '';

  constructor(reactor, fd) {
    this.fd = fd;
    this.sentences = 0;
    this.bytes = 0;
    this.position = null;
    this.watch = reactor.watch(fd, READABLE, this.onSerial.bind(this), { trigger: 'edge' });
  }

  onSerial() {
    const count = descriptors.read(this.fd, this.#line);
    if (count === null || count === 0) return;
    this.bytes += count;
    this.#text += Buffer.from(this.#line.subarray(0, count)).toString('latin1');
    const lines = this.#text.split('\r\n');
    this.#text = lines.pop();
    for (const line of lines) this.take(line);
  }

  take(line) {
    this.sentences++;
    const [kind, , latitude, , longitude] = line.split(',');
    if (kind === '$GPGGA') this.position = { latitude, longitude };
  }
}

const reactor = new Reactor();
const [serial, antenna] = descriptors.openPty();
const receiver = new Receiver(reactor, serial);

let sent = 0;
let lastMs = 0;
const burst = Buffer.from(FIXES.map((fix) => `${fix}\n`).join(''));
function locate(left) {
  if (left === 0) {
    lastMs = reactor.now();
    return;
  }
  sent += descriptors.write(antenna, burst) ?? 0;
  reactor.setTimer(40, () => locate(left - 1));
}
locate(12);

let ticks = 0;
(function clock() {
  if (++ticks < 80) reactor.setTimer(25, clock);
  else finish();
})();

function finish() {
  receiver.watch.close();
  const rest = new Uint8Array(65_536);
  let unread = 0;
  for (let count; (count = descriptors.read(serial, rest)) > 0;) unread += count;
  const silentMs = Math.round(reactor.now() - lastMs);
  descriptors.close(serial);
  descriptors.close(antenna);
  const evidence = { sent, read: receiver.bytes, unread, silentMs, sentences: receiver.sentences };
  console.log(JSON.stringify({ fault: unread > 500 && silentMs > 500, evidence }));
}

await reactor.run();
