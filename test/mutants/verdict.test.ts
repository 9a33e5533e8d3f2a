// When a mutant counts as killed: its tests fail, all of them, and nothing else does. And the options of the runner.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, mutants } from './catalogue.js';
import { judge, type Outcome } from './verdict.js';

const mutant = {
  fails: { 'a.test.ts': ['poll > a thing', 'select > a thing'] },
  alsoFails: { 'another thing': 'they are one' },
};
const nothing: Outcome = { failed: [], hung: [], broken: [], timedOut: false };
const both = ['poll > a thing: it is so', 'select > a thing: it is so'];

describe('a mutant', () => {
  test.each<[string, Partial<Outcome>]>([
    ['when all that it names fails', { failed: both }],
    ['when what is listed beside fails as well', { failed: [...both, 'poll > another thing'] }],
    ['when a named test hangs, or its process dies of it', { failed: [both[0]!], hung: [both[1]!] }],
    ['when a named test hung until time was up', { hung: [both[0]!], timedOut: true }],
  ])('is killed %s', (_, outcome) => {
    expect(judge(mutant, { ...nothing, ...outcome })).toMatchObject({ killed: true, reasons: [] });
  });
  test.each<[string, Partial<Outcome>, string[]]>([
    ['nothing fails', {}, ['passes: poll > a thing', 'passes: select > a thing']],
    ['one of its tests passes', { failed: [both[0]!] }, ['passes: select > a thing']],
    [
      'a name that only ends like its own fails',
      { failed: ['epoll > a thing', both[1]!] },
      ['passes: poll > a thing', 'fails too: epoll > a thing'],
    ],
    ['something else fails', { failed: [...both, 'a third thing'] }, ['fails too: a third thing']],
    [
      'something else hung until time was up',
      { hung: ['a third thing'], timedOut: true },
      ['passes: poll > a thing', 'passes: select > a thing', 'fails too: a third thing'],
    ],
    ['the runner itself failed', { failed: both, broken: ['no such file'] }, ['broken: no such file']],
  ])('survives when %s', (_, outcome, reasons) => {
    expect(judge(mutant, { ...nothing, ...outcome })).toMatchObject({ killed: false, reasons });
  });
});

describe('the command', () => {
  const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [join(ROOT, 'test/mutants/run.js'), ...args], { encoding: 'utf8' });

  test('--list names the mutants, --only those with a text in their name or problem', () => {
    expect(run('--list').stdout.trim().split('\n')).toHaveLength(mutants.length);
    expect(run('--list', '--only', 'SIGPIPE')).toMatchObject({
      status: 0,
      stdout: 'sigpipe-delivered: SIGPIPE\n',
    });
  });
  test('--help says what it does and what its exit codes mean', () => {
    const { status, stdout } = run('--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/--only[^]*--list[^]*--json[^]*exit code is 0/);
  });
  test.each([[['--wrong']], [['--only', 'there is none']]])('%j is a mistake: exit code 2', (args) => {
    const { status, stdout, stderr } = run(...args);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).not.toBe('');
  });
});
