// Does other things where it prints to a terminal, as a bar of progress does.
import { isatty } from 'node:tty';
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
const { stdout } = process;
console.log(stdout.isTTY, isatty(1), stdout.columns, stdout.rows, stdout.getColorDepth?.() > 1);
console.log({ colours: true });
if (stdout.isTTY) {
  stdout.cursorTo(0);
  reactor.setTimer(1, () => stdout.clearLine(0));
  if (process.argv[2] === 'resized') {
    process.kill(process.pid, 'SIGWINCH');
    reactor.setTimer(30, () => console.log('resized'));
  }
}
await reactor.run();
