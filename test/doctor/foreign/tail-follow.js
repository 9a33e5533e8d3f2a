import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { READABLE, Reactor, descriptors } from 'underloop';

const reactor = new Reactor({ poller: 'epoll' });
const [log, logEnd] = descriptors.pipe();
const page = Buffer.alloc(512);

const follower = {
  rest: '',
  lines: 0,
  errors: 0,
  reads: 0,

  take(text) {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop();
    for (const line of lines) {
      this.lines++;
      if (line.includes('ERROR')) this.errors++;
    }
  },

  onGrown() {
    this.reads++;
    const count = descriptors.read(log, page);
    if (count === null || count === 0) return;
    this.take(page.toString('latin1', 0, count));
  },
};

const tail = reactor.watch(log, READABLE, follower.onGrown.bind(follower), { trigger: 'edge' });

const script = `
sleep 0.2
i=0
while [ $i -lt 6 ]; do echo "INFO line $i"; i=$((i+1)); sleep 0.05; done
j=0
out=""
while [ $j -lt 60 ]; do out="$out
ERROR number $j of a burst that came all at once"; j=$((j+1)); done
printf '%s\\n' "$out"
sleep 3
`;
const output = openSync(`/proc/self/fd/${logEnd}`, 'w');
const service = spawn('sh', ['-c', script], { stdio: ['ignore', output, 'ignore'] });
closeSync(output);

let lastReads = 0;
let stillChecks = 0;
function report() {
  stillChecks = follower.reads === lastReads ? stillChecks + 1 : 0;
  lastReads = follower.reads;
  reactor.setTimer(50, report);
}
report();

reactor.setTimer(2600, () => {
  tail.close();
  service.kill();
  let unread = 0;
  for (let count = descriptors.read(log, page); count > 0; count = descriptors.read(log, page))
    unread += count;
  const { lines, errors, reads } = follower;
  const evidence = { lines, errors, reads, unread, stillMs: stillChecks * 50 };
  console.log(JSON.stringify({ fault: unread > 0 && stillChecks >= 6, evidence }));
  descriptors.close(log);
  descriptors.close(logEnd);
  reactor.close();
});

await reactor.run();
