// Compiles the kqueue poller against a kqueue in memory and runs its unit tests, in every run and on every system: it
// is the guard against rot where no kqueue is to be had.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');
const sources = [
  'native/poller_kqueue.cc',
  'native/poller.cc',
  'native/waker.cc',
  'test/native/fake-kqueue/fake_kqueue.cc',
  'test/native/kqueue_test.cc',
];
const checks = [
  ...readFileSync(join(import.meta.dirname, 'kqueue_test.cc'), 'utf8').matchAll(/^CHECK\("(.*)"\)/gm),
].map(([, name]) => name!);

/** The flags of the addon, so that what passes here also compiles there. */
const { underloop_cxx_flags: flags } = (
  JSON.parse(readFileSync(join(root, 'native', 'sources.json'), 'utf8')) as {
    variables: { underloop_cxx_flags: string[] };
  }
).variables;

async function runChecks(program: string, defines: string[]): Promise<Map<string, string>> {
  const [compiler = 'c++', ...rest] = (process.env['CXX'] || 'c++').split(' ').filter(Boolean);
  const args = [...rest, ...flags, '-O0', '-Wall', '-Wextra', '-Werror', ...defines];
  args.push('-DUNDERLOOP_HAVE_KQUEUE', '-Dclock_gettime=fake_clock_gettime');
  args.push('-Inative', '-Itest/native/fake-kqueue', ...sources, '-o', program);
  await run(compiler, args, { cwd: root });
  const { stdout } = await run(program, { cwd: root, timeout: 30_000 });
  const lines = stdout.trimEnd().split('\n');
  return new Map(
    lines.map((line) => {
      const [, result, name, why] = /^(ok|not ok) (.*?)(: line .*)?$/.exec(line) ?? ['', line, line];
      return [name as string, `${result as string}${why ?? ''}`];
    }),
  );
}

describe.each([
  ['a system with EVFILT_USER and EVFILT_EXCEPT', []],
  ['an older one, where a pipe wakes', ['-DFAKE_KQUEUE_MINIMAL']],
])('the kqueue poller on %s', (_, defines) => {
  const directory = mkdtempSync(join(tmpdir(), 'underloop-kqueue-'));
  let results: Map<string, string>;

  beforeAll(async () => {
    results = await runChecks(join(directory, 'kqueue_test'), defines);
  }, 120_000);
  afterAll(() => rmSync(directory, { recursive: true }));

  test('runs every check, and no other', () => {
    expect([...results.keys()]).toEqual(checks);
  });
  test.each(checks)('%s', (name) => {
    expect(results.get(name)).toBe('ok');
  });
});
