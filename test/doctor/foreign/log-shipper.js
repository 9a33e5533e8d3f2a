import { spawn } from 'node:child_process';
import { READABLE, Reactor, descriptors } from 'underloop';

const reactor = new Reactor();
const chunk = Buffer.alloc(4096);

function makeSource(name) {
  const [output, input] = descriptors.socketPair();
  return { name, output, input, lines: 0, misses: 0, shippedByChild: false, watch: null, child: null };
}

function attach(source) {
  source.watch = reactor.watch(source.output, READABLE, function shipLines() {
    if (source.shippedByChild) source.misses++;
    let count;
    try {
      count = descriptors.read(source.output, chunk);
    } catch {
      return;
    }
    if (count !== null) source.lines += chunk.subarray(0, count).filter((byte) => byte === 10).length;
  });
}

function handToChild(source) {
  source.child = spawn('sleep', ['4'], { stdio: [source.output, 'ignore', 'ignore'] });
  source.shippedByChild = true;
  descriptors.close(source.output);
}

const sources = ['web', 'mail', 'cron'].map(makeSource);
sources.forEach(attach);

function write() {
  for (const source of sources)
    descriptors.write(source.input, Buffer.from(`${source.name}: something happened\n`));
  reactor.setTimer(30, write);
}
write();

reactor.setTimer(600, () => handToChild(sources[1]));

reactor.setTimer(2000, () => {
  for (const source of sources) {
    source.watch.close();
    source.child?.kill();
    if (!source.shippedByChild) descriptors.close(source.output);
    descriptors.close(source.input);
  }
  const lines = sources.map((source) => source.lines);
  const misses = sources[1].misses;
  console.log(JSON.stringify({ fault: misses >= 300, evidence: { lines, misses } }));
  reactor.close();
});

await reactor.run();
