import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import { READABLE, Reactor, descriptors, nativeKernel } from 'underloop';

const LIMIT = readdirSync('/proc/self/fd').length + 36;
execFileSync('prlimit', ['--pid', String(process.pid), `--nofile=${LIMIT}`]);

const log = { problems: 0, jobs: 0 };
const reactor = new Reactor({
  poller: 'epoll',
  onError(error) {
    log.problems++;
    log.last = error.message;
  },
});

const place = { family: 'unix', path: `\0spooler-${process.pid}` };
const spool = nativeKernel.socket('unix');
nativeKernel.bind(spool, place);
nativeKernel.listen(spool, 32);

const documents = [];
const jobs = new Map();
const line = Buffer.alloc(256);

function onJobLine(readiness, watch) {
  const count = descriptors.read(watch.fd, line);
  if (count === null) return;
  if (count > 0) {
    jobs.get(watch.fd).bytes += count;
    return;
  }
  log.jobs++;
  jobs.delete(watch.fd);
  watch.close();
  descriptors.close(watch.fd);
}

const takeJob = () => {
  const fd = reactor.kernel.accept(spool);
  if (fd === -constants.errno.EAGAIN) return;
  if (fd < 0) throw new Error(`cannot accept a job: ${fd}`);
  jobs.set(fd, { bytes: 0, watch: reactor.watch(fd, READABLE, onJobLine) });
};
const intake = reactor.watch(spool, READABLE, takeJob);

function submit() {
  const fd = nativeKernel.socket('unix');
  if (fd < 0) return;
  nativeKernel.connect(fd, place);
  const text = Buffer.from('%!PS-Adobe-3.0\n');
  nativeKernel.sendBytes(fd, text, 0, text.length);
  nativeKernel.close(fd);
}
const submitting = setInterval(submit, 60);

function openDocuments() {
  submit();
  try {
    for (;;) documents.push(openSync('/dev/null', 'r'));
  } catch {
    clearInterval(submitting);
  }
}
setTimeout(openDocuments, 700);

setTimeout(() => {
  clearInterval(submitting);
  for (const fd of documents) closeSync(fd);
  intake.close();
  nativeKernel.close(spool);
  for (const [fd, { watch }] of jobs) {
    watch.close();
    descriptors.close(fd);
  }
  console.log(JSON.stringify({ fault: log.problems >= 500, evidence: log }));
  reactor.close();
}, 2000);
await reactor.run();
