// Steps a program and holds it, until it is killed. Prints the pid of the program.
import { Session } from '../../../dist/step/session.js';

const session = new Session(process.argv[2], process.argv.slice(3));
session.on('message', ({ type, pid }) => {
  if (type === 'hello') console.log(`pid ${pid}`);
  if (type === 'held') {
    console.log('held');
    if (process.argv[3] !== 'beside') session.send({ do: 'step', count: 1 });
  }
});
setTimeout(() => {}, 20_000);
