// Runs within the stepped program, loaded before it: gives each of its reactors a stepper, and obeys the controller.
// UNDERLOOP_STEP=1 node --import dist/step/inside.js SCRIPT, with the controller's socket as descriptor 3, a lifeline as 4

import { Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { setInstrument, both } from '../reactor/instrument.js';
import type { Observer } from '../reactor/observer.js';
import { startLifeline } from '../workload/process.js';
import { Conductor } from './conductor.js';
import { CONTROL_FD, LIFELINE_FD, LineReader, STEP_ENVIRONMENT, encode, type Message } from './protocol.js';
import { Puppet, type Stage } from './puppet.js';
import { SourceFinder } from './source.js';

/** Told and not read yet by the controller: beyond this, only what it must know is told. */
const BACKLOG_BYTES_MAX = 256 * 1024;

class Inside implements Stage {
  readonly conductor = new Conductor((message) => this.tell(message));
  readonly sources = new SourceFinder();
  private readonly socket = new Socket({ fd: CONTROL_FD, readable: true, writable: true });
  private readonly puppets = new Set<Puppet>();
  private nextNumber = 1;

  constructor() {
    const lines = new LineReader((line) => this.conductor.obey(line));
    this.socket.setEncoding('utf8').on('data', (text: string) => {
      try {
        lines.push(text);
      } catch (error) {
        // What follows cannot be told from what was broken.
        process.stderr.write(`${(error as Error).message}\n`);
        process.exit(1);
      }
    });
    // Nobody is left to let a held reactor go.
    this.socket.on('error', () => process.exit(1)).on('end', () => process.exit(1));
    this.socket.unref();
    this.tell({ type: 'hello', pid: process.pid, version: process.version });
    process.on('exit', () => {
      for (const puppet of this.puppets) puppet.tellRest();
    });
    setInstrument((options) => {
      const puppet = new Puppet(this, this.nextNumber++, options.stepper !== undefined);
      this.puppets.add(puppet);
      const observer: Observer = options.observer === undefined ? puppet : both(puppet, options.observer);
      return { observer, stepper: options.stepper ?? puppet };
    });
  }

  tell(message: Message): void {
    this.socket.write(encode(message));
  }
  get congested(): boolean {
    return this.socket.writableLength > BACKLOG_BYTES_MAX;
  }
  keepAlive(): void {
    if ([...this.puppets].some((puppet) => puppet.isHeld)) this.socket.ref();
    else this.socket.unref();
  }
  gone(puppet: Puppet): void {
    this.puppets.delete(puppet);
  }
}

// A worker, and a process that the program forks with its own options, load this too: they are left alone.
if (isMainThread && process.env[STEP_ENVIRONMENT] === '1') {
  Reflect.deleteProperty(process.env, STEP_ENVIRONMENT);
  startLifeline(LIFELINE_FD);
  new Inside();
}
