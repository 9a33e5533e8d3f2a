// What reaches a program from around it: signals and who listens to them, the terminal, and the inputs that no recording covers.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { again, fresh, program, take } from './fixture.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const pty = fileURLToPath(new URL('../step/screen/pty.py', import.meta.url));
const run = promisify(execFile);

test('a program hears what it would hear: signals of the system and of its own, and who listens to them', async () => {
  const { file, recorded, output } = await take(program('signals.js'));
  expect(recorded).toMatchObject({ signal: 'SIGINT', summary: { uncovered: [] } });
  const alone = ['SIGINT 0 0 0', 'SIGTERM 0 0 0', 'SIGUSR1 0 0 0', '[]'];
  const lines = output.split('\n');
  expect(lines.slice(0, 9)).toEqual([
    ...alone,
    'heard SIGINT',
    'SIGINT 1 1 1',
    'SIGTERM 0 0 0',
    'SIGUSR1 0 0 0',
    "[ 'SIGINT' ]",
  ]);
  expect(lines.filter((line) => line === 'heard SIGUSR1')).toHaveLength(1);
  expect(lines.slice(-5)).toEqual([...alone, '']);
  // Also the date that Intl puts into words by itself.
  expect(output).toMatch(/^\d+\.\d{3} \d{3} 000$/m);
  const replayed = await again(file);
  expect(replayed.verdict).toMatchObject({ type: 'over', why: 'signal', signal: 'SIGINT' });
  expect(replayed.output).toBe(output);
});

test.each([
  ['', []],
  ['resized', [{ kind: "the terminal's size", where: 'a signal (SIGWINCH)' }]],
])('what was recorded in a terminal is replayed where there is none %s', async (mode, uncovered) => {
  const file = fresh('.rec');
  const args = ['record', '-o', file, program('terminal.js'), mode];
  const child = spawn('python3', [pty, '100', '30', process.execPath, main, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'], TERM: 'xterm-256color' },
  });
  const told = text(child.stdout);
  await once(child, 'exit');
  const lines = (await told).split('\n').filter((line) => line !== '');
  const messages = lines.map((line) => JSON.parse(line) as { output?: string; status?: number });
  expect(messages.at(-1)).toMatchObject({ status: 0 });
  const shown = messages.map(({ output }) => output ?? '').join('');
  const { verdict, circumstances, output } = await again(file);
  expect(verdict).toMatchObject({ type: 'same', code: 0 });
  expect(circumstances?.uncovered).toEqual(uncovered);
  // The terminal ends a line with a carriage return as well.
  const [printed] = shown.replaceAll('\r\n', '\n').split('underloop: ');
  expect(output).toBe(printed);
  expect(output).toContain('100');
});

test('a program that prints to a file is replayed to a pipe, which is never full', async () => {
  const [file, printed] = [fresh('.rec'), fresh('.txt')];
  const command = '"$0" "$1" record -o "$2" "$3" > "$4"';
  await run('sh', ['-c', command, process.execPath, main, file, program('printing.js'), printed]);
  const { verdict, output } = await again(file);
  expect(verdict).toMatchObject({ type: 'same', code: 0 });
  expect(output).toBe(readFileSync(printed, 'utf8'));
  expect(output).toContain('x\nend\n');
});

test('each way past the recording is named; what is recorded, or no input, is not', async () => {
  const { stdout } = await run(process.execPath, [program('kinds.js')]);
  const file = 'a file by node:fs';
  const [name, channel, random] = ['a name looked up by node:dns', 'a channel for messages', 'random bytes'];
  const work = 'work on a thread of the runtime';
  const realm = 'a realm of node:vm, whose date and random numbers are its own';
  const figure = 'the clock or a figure of the process';
  expect(stdout.trimEnd().split('\n')).toEqual([
    `createReadStream: ${file}`,
    `opendirSync: ${file}`,
    `writeFile: ${file}`,
    `mkdir: ${file}`,
    `resolveMx: ${name}`,
    `Resolver: ${name}`,
    `MessageChannel: ${channel}`,
    `worker_threads.MessageChannel: ${channel}`,
    `BroadcastChannel: ${channel}`,
    'scheduler.wait: a timer of node:timers/promises',
    `crypto.getRandomValues: ${random}`,
    `webcrypto.getRandomValues: ${random}`,
    `generateKeySync: ${random}`,
    `createECDH: ${random}`,
    `sign: ${random}`,
    `subtle.digest: ${work}`,
    `deflateRaw: ${work}`,
    `new Gunzip: ${work}`,
    `CompressionStream: ${work}`,
    `WebAssembly.compile: ${work}`,
    `runInNewContext: ${realm}`,
    `Script.runInNewContext: ${realm}`,
    `hrtime.bigint: ${figure}`,
    `memoryUsage.rss: ${figure}`,
    `performance.mark: ${figure}`,
    `getHeapStatistics: ${figure}`,
    ...[
      'ReadableStream',
      'Response',
      'randomUUID',
      'performance.now',
      'setTimeout',
      'gzipSync',
      'createHash',
      'writeFileSync',
    ].map((one) => `${one}: `),
    'require: ',
    'ChildProcess:',
  ]);
});
