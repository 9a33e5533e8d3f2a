// The sum of .ci/count.js, the last line of .ci/run: whatever went wrong in any part of it must show there.

import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '../..');
interface SanitizerReport {
  readonly title: string;
  readonly isOurs: boolean;
}
const { readReports } = (await import(path.join(ROOT, 'scripts/sanitizer-reports.js'))) as {
  readReports(folder: string, ourCode: readonly string[]): SanitizerReport[];
};
const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => fs.rmSync(folder, { recursive: true })));
function temporary(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'underloop-ci-'));
  folders.push(folder);
  return folder;
}

const PARTS = ['tests', 'check', 'native', 'sanitized'] as const;
type Part = (typeof PARTS)[number];

const file = (name: string, ...statuses: string[]): object => ({
  name,
  status: statuses.includes('failed') ? 'failed' : 'passed',
  message: '',
  assertionResults: statuses.map((status, i) => ({ status, fullName: `${name} ${i}` })),
});
/** 2 + 2 + 3 + 4 that passed. */
const GOOD: Record<Part, unknown> = {
  tests: { testResults: [file('a', 'passed', 'skipped'), file('b', 'passed')] },
  check: [
    { name: 'lint', passed: true },
    { name: 'types', passed: true },
  ],
  native: [{ name: 'unit tests (plain)', passed: 3, failures: [] }],
  sanitized: [
    { name: 'tests with address', passed: 3, failures: [] },
    { name: 'no report with address', passed: 1, failures: [] },
  ],
};

/** Each part's report (undefined: the file is missing) and exit code. */
function count(reports: Partial<Record<Part, unknown>> = {}, statuses: Partial<Record<Part, string>> = {}) {
  const folder = temporary();
  const args = PARTS.flatMap((part) => {
    const report = part in reports ? reports[part] : GOOD[part];
    const name = path.join(folder, `${part}.json`);
    if (report !== undefined)
      fs.writeFileSync(name, typeof report === 'string' ? report : JSON.stringify(report));
    return [name, statuses[part] ?? '0'];
  });
  const { stdout, status } = spawnSync(process.execPath, [path.join(ROOT, '.ci/count.js'), ...args], {
    encoding: 'utf8',
  });
  const lines = stdout.trimEnd().split('\n');
  return { lines, last: lines.at(-1), status };
}

describe('the sum of .ci/run', () => {
  test('adds up what passed in every part, and ends with 0', () => {
    expect(count()).toEqual({
      lines: ['1 skipped', '11 passed, 0 failed'],
      last: '11 passed, 0 failed',
      status: 0,
    });
  });

  test.each<[string, Part, unknown, string]>([
    ['a test', 'tests', { testResults: [file('a', 'passed', 'failed')] }, 'test: a 1'],
    [
      'a test whose process crashed',
      'tests',
      { testResults: [file('a', 'passed', 'pending')] },
      'test that never ended: a 1',
    ],
    ['a file without a test', 'tests', { testResults: [file('a')] }, 'test file: a reported no test'],
    ['a step of the check', 'check', [{ name: 'lint', passed: false }], 'check: lint'],
    [
      'a unit test',
      'native',
      [{ name: 'unit tests (thread)', passed: 1, failures: ['x'] }],
      'unit tests (thread): x',
    ],
    [
      'a sanitizer’s report',
      'sanitized',
      [{ name: 'no report with address', passed: 0, failures: ['address.7: leak'] }],
      'no report with address: address.7: leak',
    ],
  ])('counts %s that failed once, whatever its exit code', (_, part, report, failure) => {
    for (const code of ['0', '1']) {
      const { lines, last, status } = count({ [part]: report }, { [part]: code });
      expect(lines).toContain(`FAILED ${failure}`);
      expect(last).toMatch(/^\d+ passed, 1 failed$/);
      expect(status).toBe(1);
    }
  });

  test.each(PARTS)('%s that ended without a report, or with one that is cut off, has failed', (part) => {
    for (const report of [undefined, '[{"name": "x", "pas'])
      for (const code of ['124', '0']) {
        const { last, status } = count({ [part]: report }, { [part]: code });
        expect(last).toMatch(/^\d+ passed, 1 failed$/);
        expect(status).toBe(1);
      }
  });

  test.each(PARTS)(
    '%s that ended with another code than 0 has failed although its report names nothing',
    (part) => {
      const { last, status } = count({}, { [part]: '124' });
      expect(last).toBe('11 passed, 1 failed');
      expect(status).toBe(1);
    },
  );
});

describe('what a sanitizer left in its log', () => {
  const reports = (text: string) => {
    const folder = temporary();
    fs.writeFileSync(path.join(folder, 'log.1'), text);
    return readReports(folder, ['/us/']).map(({ title, isOurs }) => ({ title, isOurs }));
  };
  test('is ours for an error in memory, and for a leak or race whose innermost code is ours', () => {
    expect(reports('==1==ERROR: AddressSanitizer: heap-use-after-free on address\n')).toEqual([
      { title: 'heap-use-after-free on address', isOurs: true },
    ]);
    const leak = (frame: string) =>
      `==1==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 1 byte\n    #0 0x1 in operator new(unsigned long)\n    #1 0x2 in ${frame}\n\n`;
    expect(reports(leak('f /us/a.cc:1'))).toEqual([{ title: 'leak', isOurs: true }]);
    expect(reports(leak('node::f (/bin/node+0x1)'))).toEqual([{ title: 'leak', isOurs: false }]);
    const race = (frame: string) =>
      `WARNING: ThreadSanitizer: data race (pid=1)\n  Write\n    #0 f /us/a.cc:1\n\n  Previous read\n    #0 ${frame}\n`;
    expect(reports(race('g /us/b.cc:2'))).toEqual([{ title: 'data race', isOurs: true }]);
    expect(reports(race('node::f (node+0x1)'))).toEqual([{ title: 'data race', isOurs: false }]);
  });
});
