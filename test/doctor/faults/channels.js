// Ways for bytes to come to a descriptor: the text that opens one of a kind, sends into it, and reads from it.

const SOCKETS = ['tcp', 'unix', 'socketpair', 'udp', 'unix-datagram'];
const DATAGRAMS = ['udp', 'unix-datagram'];

const pairOfStreams = `function connectedPair(address) {
const listening = nativeKernel.socket(address.family);
nativeKernel.bind(listening, address);
nativeKernel.listen(listening, 8);
const dialled = nativeKernel.socket(address.family);
nativeKernel.connect(dialled, nativeKernel.localAddress(listening));
let accepted = -1;
for (let tries = 0; accepted < 0 && tries < 1e6; tries++) accepted = nativeKernel.accept(listening);
nativeKernel.close(listening);
return [accepted, dialled];
}`;

const pairOfDatagrams = `function datagramPair(address) {
const receiving = nativeKernel.socket(address.family, 'datagram');
nativeKernel.bind(receiving, address);
const sending = nativeKernel.socket(address.family, 'datagram');
nativeKernel.connect(sending, nativeKernel.localAddress(receiving));
return [receiving, sending];
}`;

/**
 * The text of an expression that opens `[reading end, writing end]` of a kind: pipe, fifo, socketpair, tcp, unix, udp,
 * unix-datagram, eventfd. Declares what it needs. `number` tells one abstract name from another.
 */
export function openPair(program, kind) {
  program.use('underloop', 'descriptors');
  const inet = `{ family: 4, host: '127.0.0.1', port: 0 }`;
  const name = program.fresh('channel-');
  const unix = `{ family: 'unix', path: '\\0${name}-' + process.pid }`;
  if (kind === 'pipe') return 'descriptors.pipe()';
  if (kind === 'socketpair') return 'descriptors.socketPair()';
  if (kind === 'eventfd') {
    once(
      program,
      'counterPair',
      `function counterPair() {
const counter = descriptors.eventFd();
return [counter, descriptors.duplicate(counter)];
}`,
    );
    return 'counterPair()';
  }
  if (kind === 'fifo') {
    program.use('node:fs', 'constants', 'mkdtempSync', 'openSync', 'rmSync');
    program.use('node:os', 'tmpdir');
    program.use('node:path', 'join');
    program.use('node:child_process', 'execFileSync');
    once(
      program,
      'fifoPair',
      `function fifoPair() {
const folder = mkdtempSync(join(tmpdir(), 'fifo-'));
const path = join(folder, 'fifo');
execFileSync('mkfifo', [path]);
const output = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
const input = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
rmSync(folder, { recursive: true });
return [output, input];
}`,
    );
    return 'fifoPair()';
  }
  program.use('underloop', 'nativeKernel');
  if (DATAGRAMS.includes(kind)) {
    once(program, 'datagramPair', pairOfDatagrams);
    return `datagramPair(${kind === 'udp' ? inet : unix})`;
  }
  once(program, 'connectedPair', pairOfStreams);
  return `connectedPair(${kind === 'tcp' ? inet : unix})`;
}

function once(program, name, text) {
  program.declared ??= new Set();
  if (program.declared.has(name)) return;
  program.declared.add(name);
  program.before(text);
}

/** Opens a pair and names its ends: `rx` and `tx` are variables of the program. */
export function addChannel(program, kind) {
  const [rx, tx] = program.draw.pick([
    ['incoming', 'outgoing'],
    ['source', 'sink'],
    ['rx', 'tx'],
    ['feedFd', 'peerFd'],
    ['inputFd', 'outputFd'],
  ]);
  const opened = openPair(program, kind);
  program.add(`const [${rx}, ${tx}] = ${opened};`);
  return { kind, rx, tx, isDatagram: DATAGRAMS.includes(kind), isSocket: SOCKETS.includes(kind) };
}

/** How a program reads: by `descriptors`, or by the kernel that its reactor has. `size`: bytes of a read. */
export function drawReader(program, channel, size) {
  const style = program.draw.pick(['descriptors', 'descriptors', 'reactor.kernel', 'nativeKernel']);
  program.use('underloop', 'descriptors');
  if (style === 'descriptors') {
    const buffer = program.fresh('bytes');
    program.add(`const ${buffer} = Buffer.alloc(${size});`);
    return {
      read: (fd = channel.rx) => `descriptors.read(${fd}, ${buffer})`,
      some: (count) => `${count} > 0`,
      at: (index) => `${buffer}[${index}]`,
    };
  }
  if (style === 'nativeKernel') program.use('underloop', 'nativeKernel');
  const call = channel.isSocket ? 'recv' : 'read';
  return {
    read: (fd = channel.rx) => `${style}.${call}(${fd}, 0, ${size})`,
    some: (count) => `${count} > 0`,
    at: (index) => `${style}.buffer[${index}]`,
  };
}

/** What a kind is called in an expectation. */
export function kindOf(kind) {
  return { fifo: 'pipe', 'unix-datagram': 'unix' }[kind] ?? kind;
}
