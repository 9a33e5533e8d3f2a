// What the tests of the executor let workers do.

import { threadId } from 'node:worker_threads';

export const add = (a, b) => a + b;
export const echo = (...args) => args;
export const whoami = () => ({ pid: process.pid, threadId });
export function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  return ms;
}
export function spin(ms) {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
  return ms;
}
export const fail = () => {
  throw Object.assign(new RangeError('out of range'), { code: 'ERR_OWN', limit: 7 });
};
export const failWithNothing = () => {
  throw undefined;
};
export const exit = (code) => process.exit(code);
export const notCloneable = () => () => 1;
export default { inside: () => 'of the default export' };
