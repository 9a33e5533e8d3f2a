// Signals that the system sends, and such that the program only emits; who listens to them; and a date put into words by Intl.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
const names = ['SIGINT', 'SIGTERM', 'SIGUSR1'];
const tell = () => {
  for (const name of names) {
    console.log(
      name,
      process.listenerCount(name),
      process.listeners(name).length,
      process.rawListeners(name).length,
    );
  }
  console.log(process.eventNames().filter((name) => names.includes(name)));
};
tell();
const heard = (name) => console.log('heard', name);
process.emit('SIGTERM', 'SIGTERM'); // nobody listens: nothing happens
process.on('SIGINT', heard);
process.emit('SIGINT', 'SIGINT');
tell();
process.off('SIGINT', heard);
process.once('SIGUSR1', heard);
const sent = new Promise((resolve) => process.once('SIGUSR1', resolve));
process.kill(process.pid, 'SIGUSR1');
reactor.setTimer(5, () => console.log('a timer'));
await Promise.all([reactor.run(), sent]);
const words = new Intl.DateTimeFormat('en', { dateStyle: 'short', timeStyle: 'full', timeZone: 'UTC' });
console.log(words.format === words.format, words.format(0), words.format());
const ms = new Intl.DateTimeFormat('en', { second: 'numeric', fractionalSecondDigits: 3 });
console.log(ms.format(), ms.formatToParts().at(-1)?.value, ms.formatToParts(null).at(-1)?.value);
tell();
reactor.setTimer(1, () => process.kill(process.pid, 'SIGINT'));
setInterval(() => undefined, 1000);
void reactor.run();
