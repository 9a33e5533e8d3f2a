// Two reactors in one thread, each with three tasks; the second is also woken by the first.
import { Reactor } from '../../../dist/index.js';

const [first, second] = [new Reactor(), new Reactor()];
const tasks = (reactor, name, count) => {
  for (let i = 1; i <= count; i++) {
    const task = { [`${name}${i}`]: () => console.log(`${name}${i}`) }[`${name}${i}`];
    reactor.post(task);
  }
};
tasks(first, 'a', 3);
tasks(second, 'b', 3);
first.setTimer(5, function lastOfFirst() {
  second.post(function fromFirst() {});
});
second.setTimer(60, function lastOfSecond() {});
await Promise.all([first.run(), second.run()]);
first.close();
second.close();
console.log('both have ended');
