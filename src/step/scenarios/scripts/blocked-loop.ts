// The script of blocked-loop: what one handler that waits does to everybody else.

import type { TraceEvent } from '../../../trace/format.js';
import type { Lesson, Program, Scenario } from '../lesson.js';

/** Long enough for the handler to be well within its wait, much shorter than that. */
const LOOK_AFTER_MS = 250;

interface Delays {
  readonly handlerMs: number;
  readonly lateMs: number;
  readonly mainThread: string;
}

function ms(value: number): string {
  return `${value.toFixed(0)} ms`;
}

/** When the handler of this name began and ended, on the reactor's clock. */
function timesOf(events: readonly TraceEvent[], name: string): [number, number] {
  const at = events.findIndex((event) => event.type === 'itemBegin' && event.name === name);
  const end = events.find((event, i) => i > at && event.type === 'itemEnd');
  return at < 0 || end === undefined ? [NaN, NaN] : [events[at].timeNs / 1e6, end.timeNs / 1e6];
}

/** How late the timer `due` could run at the earliest: it is held before that, but its batch has a time. */
function latenessOf({ events }: Program): number {
  const set = events.find((event) => event.type === 'timerSet' && event.name === 'due');
  const batch = events.findLast(({ type }) => type === 'batch');
  return set?.type !== 'timerSet' || batch === undefined ? NaN : batch.timeNs / 1e6 - set.deadlineMs;
}

async function serve(lesson: Lesson, mode: 'blocking' | 'worker'): Promise<Delays> {
  const program = await lesson.start(mode);
  if (program.held.next[0].name !== 'serveRequest') {
    await program.command(
      'The kernel has reported them the other way round. Put the request first.',
      'move 1 0',
    );
  }
  const seen = await program.command(
    mode === 'blocking'
      ? 'The handler of the request waits for 600 ms, and a neighbour is in the same batch. A timer is set for 20 ms. Run both.'
      : 'The same again, but a thread of its own waits. Run both.',
    's 2',
    LOOK_AFTER_MS,
  );
  const [began, ended] = timesOf(program.events, 'serveRequest');
  const blocked = seen.mainThread;
  program.say(
    `The handler took ${ms(ended - began)}.` +
      (blocked === null
        ? ' The program was held again before anybody had to look at it from outside.'
        : ` Meanwhile nothing was heard of it; seen from outside, its main thread was in ${blocked}.`),
  );
  if (program.held.next[0].name !== 'due') {
    await program.command('Run on until the timer.', 'u handler due');
  }
  const lateMs = latenessOf(program);
  program.say(`The timer's batch came ${ms(lateMs)} after its deadline.`);
  await program.command('Let the program end.', 'c');
  return { handlerMs: ended - began, lateMs, mainThread: blocked ?? '' };
}

export const blockedLoop: Scenario = {
  title: 'a handler that waits',
  about:
    'A request needs 600 ms of somebody else (a database, say). One program waits for it in the handler, as a synchronous ' +
    'driver does; the other lets a thread wait. A neighbour is ready in the same batch, and a timer is due in 20 ms.',

  async play(lesson) {
    const blocking = await serve(lesson, 'blocking');
    const worker = await serve(lesson, 'worker');
    return {
      shown: blocking.lateMs > 400 && worker.handlerMs < blocking.handlerMs && blocking.mainThread !== '',
      text:
        `The handler that waited itself took ${ms(blocking.handlerMs)}: the neighbour waited as long, and the timer was ` +
        `${ms(blocking.lateMs)} late. Its main thread was in ${blocking.mainThread || 'nothing that was seen'} and could do nothing ` +
        `else. The one that let a thread wait took ${ms(worker.handlerMs)}; there the timer was ${ms(worker.lateMs)} late. An event ` +
        'loop is as fast as its slowest handler.',
      figures: {
        blockingHandlerMs: blocking.handlerMs,
        blockingTimerLateMs: blocking.lateMs,
        blockingMainThread: blocking.mainThread,
        workerHandlerMs: worker.handlerMs,
        workerTimerLateMs: worker.lateMs,
      },
    };
  },
};
