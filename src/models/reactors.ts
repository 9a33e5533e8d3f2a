// The models `reactors`: one reactor per core on a shared port, each on a thread of its own or in a process of its own.

import { spawn, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { SystemError, UnderloopError } from '../errors.js';
import { nativeKernel as kernel } from '../kernel/native.js';
import type { InternetAddress } from '../kernel/kernel.js';
import type { Usage } from '../workload/process.js';
import { listenOn } from './blocking.js';
import { checkStart } from './checks.js';
import type { Counters, Model, ModelOptions, RunningModel, Workload } from './model.js';

/** The model that each member runs. */
export const MEMBER_MODEL = kernel.pollerKinds[0];
/** A member that is not ready by then will not be. */
const READY_MS_MAX = 15_000;
/** Between asking a process to end and killing it. */
const STOP_MS_MAX = 1000;
const LIFELINE_FD = 3;

/** A compiled file of this folder, also where a test runner runs the sources. */
function program(name: string): URL {
  return new URL(
    import.meta.url.endsWith('.ts') ? `../../dist/models/${name}.js` : `./${name}.js`,
    import.meta.url,
  );
}

/** What a member is started with. */
export interface MemberStart {
  readonly model: string;
  readonly workload: Workload;
  readonly options: ModelOptions;
}

/** What a member says: that it serves, what it has counted, or why it cannot serve. */
export type MemberLine =
  | { port: number }
  | (Counters & { usage?: Usage })
  | { failure: { message: string; code: string; errno: number } };

/** One reactor of several, wherever it runs. */
interface Member {
  /** The next line that it says; rejects when it ends first. One call at a time. */
  line(): Promise<MemberLine>;
  ask(command: 'counters'): void;
  stop(): Promise<void>;
}

class ThreadMember implements Member {
  private readonly worker: Worker;
  private readonly lines = new Lines();
  private readonly ended: Promise<void>;

  constructor(start: MemberStart) {
    this.worker = new Worker(program('reactors-thread'), {
      workerData: start,
      execArgv: [],
      name: 'underloop reactor',
    });
    let why = 'it ended';
    this.ended = new Promise((resolve) => {
      this.worker
        .on('message', (line: MemberLine) => this.lines.push(line))
        .on('error', (error) => (why = error.message))
        .on('exit', () => {
          this.lines.end(new UnderloopError('ERR_WORKER_ENDED', `a reactor's thread has ended: ${why}`));
          resolve();
        });
    });
  }
  line(): Promise<MemberLine> {
    return this.lines.next();
  }
  ask(command: string): void {
    this.worker.postMessage(command);
  }
  async stop(): Promise<void> {
    this.worker.postMessage('stop');
    // A thread that burns hears nothing.
    const timer = setTimeout(() => void this.worker.terminate(), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }
}

class ProcessMember implements Member {
  private readonly child: ChildProcess;
  private readonly lines = new Lines();
  private readonly ended: Promise<void>;

  constructor({ model, workload, options }: MemberStart) {
    const { host = '127.0.0.1', port = 0, backlog } = options;
    const args = ['--model', model, '--reuse-port', '1', '--host', host, '--port', String(port)];
    args.push('--upstream', String(workload.upstreamPort));
    args.push('--requests-per-connection', String(workload.requestsPerConnection));
    args.push('--lifeline-fd', String(LIFELINE_FD));
    if (backlog !== undefined) args.push('--backlog', String(backlog));
    // The lifeline ends it however this process ends.
    this.child = spawn(process.execPath, [fileURLToPath(program('serve')), ...args], {
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
    });
    this.child.stdin?.on('error', () => undefined); // its end follows
    (this.child.stdio[LIFELINE_FD] as Writable).on('error', () => undefined);
    createInterface({ input: this.child.stdout as Readable }).on('line', (text) => {
      this.lines.push(JSON.parse(text) as MemberLine);
    });
    this.ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.lines.end(new UnderloopError('ERR_WORKER_ENDED', `a reactor's process ${why}`));
        resolve();
      };
      this.child
        .once('error', (error) => end(`cannot be started: ${error.message}`))
        .once('close', () => end('has ended'));
    });
  }
  line(): Promise<MemberLine> {
    return this.lines.next();
  }
  ask(command: string): void {
    this.child.stdin?.write(`${command}\n`);
  }
  async stop(): Promise<void> {
    this.child.stdin?.end();
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_MS_MAX);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Lines that were said, and who waits for the next. */
class Lines {
  private readonly said: MemberLine[] = [];
  private readonly waiting: { resolve(line: MemberLine): void; reject(error: Error): void }[] = [];
  private over: Error | null = null;

  push(line: MemberLine): void {
    const first = this.waiting.shift();
    if (first === undefined) this.said.push(line);
    else first.resolve(line);
  }
  end(error: Error): void {
    this.over = error;
    for (const one of this.waiting.splice(0)) one.reject(error);
  }
  next(): Promise<MemberLine> {
    const line = this.said.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.over !== null) return Promise.reject(this.over);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }
}

export class ReactorsModel implements Model {
  constructor(
    readonly name: string,
    readonly summary: string,
    private readonly member: new (start: MemberStart) => Member,
  ) {}

  unavailable(): string | null {
    return process.platform === 'linux'
      ? null
      : 'only Linux spreads the connections of a port over all sockets that share it (SO_REUSEPORT)';
  }

  async start(workload: Workload, options: ModelOptions = {}): Promise<RunningModel> {
    checkStart(this, workload, options);
    const { fd, address } = reserve(options);
    const shared = { ...options, host: address.host, port: address.port, reusePort: true };
    const count = options.threads ?? availableParallelism();
    const members = Array.from(
      { length: count },
      () => new this.member({ model: MEMBER_MODEL, workload, options: shared }),
    );
    try {
      await Promise.all(members.map((member) => ready(member)));
      return new RunningReactors(address, members);
    } catch (error) {
      await Promise.all(members.map((member) => member.stop()));
      throw error;
    } finally {
      kernel.close(fd);
    }
  }
}

/**
 * Finds out whether the port is free, which sockets that share it would not, and holds it until the members have it: a
 * bound socket that does not listen is given no connections.
 */
function reserve(options: ModelOptions): { fd: number; address: InternetAddress } {
  const probe = listenOn(options);
  kernel.close(probe.fd);
  const fd = kernel.socket(probe.address.family);
  if (fd < 0) throw new SystemError('socket', fd);
  const { address } = probe;
  let result = kernel.setOption(fd, 'reusePort', 1);
  if (result >= 0) result = kernel.bind(fd, address);
  if (result >= 0) return { fd, address };
  kernel.close(fd);
  throw new SystemError('bind', result, { address: address.host, port: address.port });
}

async function ready(member: Member): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const text = `a reactor was not ready after ${String(READY_MS_MAX)} ms`;
    timer = setTimeout(() => reject(new UnderloopError('ERR_WORKER_ENDED', text)), READY_MS_MAX);
  });
  try {
    const line = await Promise.race([member.line(), late]);
    if ('failure' in line) {
      const { message, code, errno } = line.failure;
      throw Object.assign(new UnderloopError('ERR_WORKER_ENDED', message), { code, errno });
    }
  } finally {
    clearTimeout(timer);
  }
}

class RunningReactors implements RunningModel {
  private last: Counters | null = null;
  private stopping: Promise<void> | null = null;
  /** One question at a time, so that each answer is its own. */
  private asked: Promise<unknown> = Promise.resolve();

  constructor(
    readonly address: InternetAddress,
    private readonly members: readonly Member[],
  ) {}

  counters(): Promise<Counters> {
    const answer = this.asked.then(() => this.last ?? this.ask());
    this.asked = answer.catch(() => undefined);
    return answer;
  }

  /** The sums over all members, and of processes what they have used. */
  private async ask(): Promise<Counters & { usage?: Usage }> {
    for (const member of this.members) member.ask('counters');
    const all = (await Promise.all(this.members.map((member) => member.line()))) as (Counters & {
      usage?: Usage;
    })[];
    const sum = (of: (one: Counters) => number): number => all.reduce((total, one) => total + of(one), 0);
    const counters: Counters = {
      accepted: sum((one) => one.accepted),
      connections: sum((one) => one.connections),
      serving: sum((one) => one.serving),
      served: sum((one) => one.served),
      refused: sum((one) => one.refused),
      errors: sum((one) => one.errors),
      queued: sum((one) => one.queued),
      threads: sum((one) => one.threads),
    };
    const usages = all.flatMap(({ usage }) => usage ?? []);
    if (usages.length === 0) return counters;
    const used = (of: (one: Usage) => number): number => usages.reduce((total, one) => total + of(one), 0);
    return {
      ...counters,
      usage: {
        atNs: usages[0].atNs,
        cpuUs: used((one) => one.cpuUs),
        voluntarySwitches: used((one) => one.voluntarySwitches),
        involuntarySwitches: used((one) => one.involuntarySwitches),
      },
    };
  }

  stop(): Promise<void> {
    this.stopping ??= this.end();
    return this.stopping;
  }
  private async end(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    this.last = {
      accepted: 0,
      connections: 0,
      serving: 0,
      served: 0,
      refused: 0,
      errors: 0,
      queued: 0,
      threads: 0,
    };
  }
}

export const reactors = new ReactorsModel(
  'reactors',
  'one reactor per core on a shared port, each on a thread',
  ThreadMember,
);
export const reactorProcesses = new ReactorsModel(
  'reactor-processes',
  'one reactor per core on a shared port, each in a process',
  ProcessMember,
);
