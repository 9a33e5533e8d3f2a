import { Reactor, WRITABLE, adopt, descriptors } from 'underloop';

const reactor = new Reactor({ poller: 'poll' });
const [tray, head] = descriptors.pipe();

let printed = 0;
adopt(reactor, tray, {
  data(printer, buffer, start, end) {
    for (let i = start; i < end; i++) if (buffer[i] === 0x0c) printed++;
  },
});

const labels = [];
let rooms = 0;
let emptyRooms = 0;

const feed = reactor.watch(head, WRITABLE, function onRoom() {
  rooms++;
  const label = labels.shift();
  if (label === undefined) {
    emptyRooms++;
    return;
  }
  const taken = descriptors.write(head, label);
  if (taken === null) labels.unshift(label);
  else if (taken < label.length) labels.unshift(label.subarray(taken));
});

function label(parcel) {
  return Buffer.from(`^XA^FO50,50^FDparcel ${parcel}^FS^BY3^BC,80^FD${parcel * 7919}^FS^XZ\f`);
}

const startedMs = reactor.now();
let parcels = 0;
function scan() {
  labels.push(label(++parcels));
  if (parcels < 15) reactor.setTimer(110, scan);
  else reactor.setTimer(150, shutDown);
}

function shutDown() {
  feed.close();
  descriptors.close(head);
  const seconds = (reactor.now() - startedMs) / 1000;
  const perSecond = Math.round(emptyRooms / seconds);
  console.log(`${printed} labels of ${parcels} printed`);
  console.log(JSON.stringify({ fault: perSecond > 1000, evidence: { rooms, emptyRooms, perSecond } }));
}

reactor.setTimer(50, scan);
await reactor.run();
