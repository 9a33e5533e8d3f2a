// Turns its reactor itself: nobody can hold it.
import { Reactor } from '../../../dist/index.js';

const reactor = new Reactor();
let left = 5;
reactor.post(function again() {
  if (--left > 0) reactor.post(again);
});
while (left > 0) reactor.turn(0);
reactor.close();
console.log('done');
