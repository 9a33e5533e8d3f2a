// Who is named: functions without a name by what they were assigned to, and never the doctor itself.

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Handlers, assignedName, isDoctorsOwn } from '../../src/doctor/handlers.js';

test.each([
  ['port.onBus = (readiness) => {};', 'port.onBus'],
  ['  this.#desk.onJob = async (job) => {};', 'this.#desk.onJob'],
  ['module.exports = function (bytes) {};', 'module.exports'],
  ['watch(isEdge ? first : (readiness) => {});', ''],
  ['reactor.watch(fd, READABLE, (readiness) => {});', ''],
  ['if (a == (b) => {}) {}', ''],
  ['return (fd) => {};', ''],
])('%s', (line, name) => {
  const column = line.lastIndexOf('(', line.indexOf(')')) + 1;
  expect(assignedName(`first();\n${line}\nlast();`, 2, column)).toBe(name);
  expect(assignedName('', 2, column)).toBe('');
});

test('a function that was assigned to a property has its name in a finding', () => {
  const port: { onBus?: () => void } = {};
  port.onBus = () => undefined;
  const handlers = new Handlers();
  const found = handlers.describe({ name: '', subject: port.onBus, place: null });
  handlers.close();
  // A test runner may have turned the line into another, and the file's name stays.
  expect(found).toMatchObject({ name: 'port.onBus', file: fileURLToPath(import.meta.url) });
});

test('a stack of the doctor and the runtime alone is nobody’s', () => {
  const doctors = fileURLToPath(new URL('../../src/doctor/chains.js', import.meta.url));
  const runtimes = { file: 'node:internal/process/task_queues' };
  expect(isDoctorsOwn([{ file: doctors }, runtimes])).toBe(true);
  expect(isDoctorsOwn([{ file: '' }, { file: doctors }, { file: '/app/server.js' }])).toBe(false);
  expect(isDoctorsOwn([runtimes])).toBe(false); // not known whose it was
  expect(isDoctorsOwn([])).toBe(false);
});
