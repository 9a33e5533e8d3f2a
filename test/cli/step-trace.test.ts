// `underloop step` and `underloop trace` as commands: what they print on a pipe, and how they exit.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { MAIN, TEST_TIMEOUT_MS, runCommand } from './command.js';

vi.setConfig({ testTimeout: TEST_TIMEOUT_MS });

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'underloop-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ECHO = [path('../../examples/echo-reactor.js'), '--port', '0', '--clients', '1'];

describe.runIf(process.platform === 'linux')('underloop step', () => {
  test('on a pipe a program is held item by item, beside what the kernel has, until it ends', async () => {
    const { code, stdout } = await runCommand(['step', ...ECHO]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^== held, turn \d+; next: readable of fd \d+: Listener$/m);
    expect(stdout).toMatch(/fd \d+ tcp 127\.0\.0\.1:\d+ LISTEN .*; in the kernel EPOLLIN/);
    // The runtime of a held program goes on: from there on it may close everything while somebody looks.
    const served = stdout.indexOf('next: closed: Connection');
    expect(served).toBeGreaterThan(0);
    expect(stdout.slice(0, served)).not.toContain('!! fd');
    expect(stdout).toMatch(/== the program has ended with exit status 0\n$/);
  });

  test('its own arguments are the program’s; --holds ends it, which is no failure', async () => {
    const { code, stdout } = await runCommand(['step', '--json', '--holds', '2', ...ECHO]);
    expect(code).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ type }) => type === 'held')).toHaveLength(2);
    const evidence = lines.find(({ type }) => type === 'held')?.['evidence'] as {
      rows: object[];
      differences: string[];
    };
    expect(evidence.rows.length).toBeGreaterThan(0);
    expect(evidence.differences).toEqual([]);
  });

  test('--register holds a program on node:http that knows nothing of it', async () => {
    const { code, stdout } = await runCommand([
      'step',
      '--register',
      '--no-evidence',
      path('programs/http-once.mjs'),
    ]);
    expect(stdout).toContain('| answer: served');
    expect(stdout.match(/^== held/gm)?.length).toBeGreaterThanOrEqual(4);
    expect(code).toBe(0);
  });

  test('a reader that has gone ends it quietly', () => {
    const command = `'${process.execPath}' '${MAIN}' step '${ECHO.join("' '")}' | head -1`;
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8', timeout: 20_000 });
    // On a busy machine nothing may be heard of it for a second while it is loaded.
    expect(stdout).toMatch(/^== (stepping process \d+|nothing was heard of the program for 1 s; .*)\n$/);
    expect(stderr).toBe('');
  });

  test.each([
    [['step'], /SCRIPT/],
    [['step', 'there-is-none.js'], /SCRIPT.*there-is-none/],
    [['step', '--scenario', 'none'], /scenario.*none/],
    [['trace', 'export', 'there-is-none'], /FILE.*there-is-none/],
  ])('%j is a mistake: exit status 2 and one clear line', async (args, said) => {
    const { code, stderr } = await runCommand(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(said);
    expect(stderr.trim().split('\n')).toHaveLength(1);
  });
});

describe.runIf(process.platform === 'linux')('underloop trace export', () => {
  test('a program recorded through the environment is written in every form', async () => {
    const trace = join(folder, 'program.trace');
    const program = path('programs/http-once.mjs');
    const register = path('../../dist/node/register.js');
    const recorded = spawnSync(process.execPath, ['--import', register, program], {
      encoding: 'utf8',
      env: { ...process.env, UNDERLOOP_TRACE: trace },
      timeout: 20_000,
    });
    expect(recorded).toMatchObject({ status: 0, stdout: 'answer: served\n' });
    const text = await runCommand(['trace', 'export', trace]);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toContain('reactor on epoll');
    const lines = await runCommand(['trace', 'export', trace, '--format', 'jsonl']);
    const events = lines.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type?: string });
    expect(events.some(({ type }) => type === 'turnBegin')).toBe(true);
    const output = join(folder, 'program.json');
    const chrome = await runCommand(['trace', 'export', trace, '--format', 'chrome', '--output', output]);
    expect(chrome).toMatchObject({ code: 0, stdout: '' });
    expect(JSON.parse(readFileSync(output, 'utf8'))).toHaveProperty('traceEvents');
  });
});
