// examples/chat.js as its users meet it: lines for everybody, names, the slow and the flooding turned out, a clean end.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { runProgram, type Outcome } from '../lifecycle/child.js';

const program = fileURLToPath(new URL('../../examples/chat.js', import.meta.url));
const children: ChildProcess[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function start(args: string[]): Promise<{ child: ChildProcess; where: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return { child, where: line.replace('chat at ', '') };
}

class User {
  readonly socket: Socket;
  readonly input: Interface;
  readonly lines: string[] = [];
  longLines = 0;
  private constructor(where: string) {
    const [host, port] = where.split(':');
    this.socket = port === undefined ? connect(where) : connect(Number(port), host);
    sockets.push(this.socket);
    this.socket.on('error', () => undefined);
    this.input = createInterface({ input: this.socket });
    this.input.on('line', (line) => {
      if (line.includes('yyy')) this.longLines++;
      else this.lines.push(line);
    });
  }
  static async join(where: string): Promise<User> {
    const user = new User(where);
    await user.hears('* welcome');
    return user;
  }
  say(text: string): void {
    this.socket.write(`${text}\n`);
  }
  async hears(text: string): Promise<void> {
    await expect.poll(() => this.lines.join('\n'), { timeout: 20_000, interval: 5 }).toContain(text);
  }
}

test('--help tells what it does; a wrong option ends with 2, what the system refuses with 1, and neither with a stack', async () => {
  const run = (args: string[]): Promise<Outcome> => runProgram('../examples/chat.js', args);
  const [help, wrong, refused] = await Promise.all([
    run(['--help']),
    run(['--port', 'x']),
    run(['--path', '/no/such/folder/chat.sock']),
  ]);
  expect([help.code, help.stdout]).toEqual([0, expect.stringContaining('--path PATH')]);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/^chat: --port .*\n$/)]);
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/^chat: bind ENOENT .*\n$/)]);
});

describe.each(['TCP', 'a Unix path'])('a chat over %s', (kind) => {
  test('join, talk, rename, leave, be turned out, and Ctrl-C', { timeout: 60_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'underloop-chat-'));
    const path = join(directory, 'chat.sock');
    const { child, where } = await start(kind === 'TCP' ? ['--port', '0'] : ['--path', path]);
    const anna = await User.join(where);
    const bert = await User.join(where);
    await anna.hears('* guest2 joined');
    anna.say('/name anna');
    await bert.hears('* guest1 is now anna');
    bert.say('/name anna');
    await bert.hears('* anna is taken');
    anna.socket.write('hel');
    anna.socket.write('lo\x1b[2J\r\nagain\n');
    await bert.hears('anna: hello[2J\nanna: again');
    expect(anna.lines.join()).not.toContain('anna: hello');
    bert.say('/who');
    await bert.hears('* guest2, anna');

    const flood = await User.join(where);
    flood.socket.write('x'.repeat(5000));
    await anna.hears('* guest3 sent too long a line');

    // Does not read: the kernel's buffers fill, then the queue, and the others do not wait.
    const slow = await User.join(where);
    slow.socket.pause();
    const block = `${'y'.repeat(1000)}\n`.repeat(50);
    for (let sent = 50; sent < 50_000 && !anna.lines.includes('* guest4 was too slow to read'); sent += 50) {
      bert.socket.write(block);
      while (anna.longLines < sent) await once(anna.input, 'line'); // or she would be the slow one
    }
    await anna.hears('* guest4 was too slow to read');

    bert.say('/quit');
    await once(bert.socket, 'close');
    await anna.hears('* guest2 left');
    const ended = once(child, 'exit');
    child.kill('SIGINT');
    await anna.hears('* the chat is over');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(path)).toBe(false);
    rmSync(directory, { recursive: true });
  });
});
