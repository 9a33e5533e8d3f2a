// Programs of test/net/children, each in a process of its own, spoken to by lines.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Report {
  turns: number;
  cpuMs: number;
  accepted: number;
  connections: number;
  refused: number;
  acceptErrors: Record<string, number>;
}

export class EchoServer {
  port = 0;
  private readonly lines: AsyncIterator<string>;

  private constructor(private readonly child: ChildProcess) {
    this.lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  }

  /** Starts it, with at most `fdLimit` descriptors if that is given, and waits until it listens. */
  static async start(options: object, fdLimit?: number): Promise<EchoServer> {
    const program = [process.execPath, path('echo-server.js'), JSON.stringify(options)];
    // The limit is set by a shell, which then becomes the program: so it is the same process that we end.
    const command = fdLimit === undefined ? program : limited(program, fdLimit);
    const [file, ...args] = command as [string, ...string[]];
    const server = new EchoServer(spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
    server.port = Number(await server.line());
    return server;
  }

  async report(): Promise<Report> {
    this.child.stdin!.write('\n');
    return JSON.parse(await this.line()) as Report;
  }

  /** Ends it by the end of its input; gives its exit code. */
  async stop(): Promise<number | null> {
    const exited = once(this.child, 'exit') as Promise<[number | null]>;
    this.child.stdin!.end();
    return (await exited)[0];
  }

  private async line(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done === true) throw new Error('the server has gone');
    return value;
  }
}

export function path(program: string): string {
  return fileURLToPath(new URL(`children/${program}`, import.meta.url));
}

function limited(program: string[], fdLimit: number): string[] {
  return ['/bin/sh', '-c', `ulimit -n ${String(fdLimit)}; exec "$@"`, 'sh', ...program];
}
