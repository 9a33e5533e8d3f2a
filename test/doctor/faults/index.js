// Programs with exactly one mistake each, from a seed, and their twins without it: what the doctor is examined with.

import { acceptEmfile } from './accept.js';
import { blockedHandler } from './blocked.js';
import { Draw, drawMoment } from './draw.js';
import { edgeNotDrained } from './edge.js';
import { addNoise } from './noise.js';
import { Program } from './program.js';
import { unboundedWriteQueue } from './queue.js';
import { staleReadiness } from './stale.js';
import { starvation } from './starvation.js';
import { writeInterestLeftOn } from './write-interest.js';

const classes = [
  ['edge-not-drained', [edgeNotDrained]],
  ['write-interest-left-on', [writeInterestLeftOn]],
  ['starvation', [starvation]],
  ['accept-emfile', [acceptEmfile]],
  ['blocked-handler', Object.values(blockedHandler)],
  ['unbounded-write-queue', [unboundedWriteQueue]],
  ['stale-readiness', [staleReadiness]],
];
export const CLASSES = classes.map(([id]) => id);

/**
 * The program of a seed: `{ text, expected }`. `expected`: `{ class, cause, fdKind, handler, template }`; `cause` of
 * blocked-handler only, `handler` is `{ names, line }` or null where the reactor calls a handler of the library's own.
 * With `clean` its twin, which has no mistake; what is expected then is what the other one has.
 */
export function generate(seed, { clean = false } = {}) {
  const [id, families] = classes[seed % classes.length];
  const round = Math.floor(seed / classes.length);
  const family = families[round % families.length];
  const turn = Math.floor(round / families.length);
  const template = family.templates[turn % family.templates.length];
  const draw = new Draw(seed * 7919 + 17);
  const pollers = family.needsEpoll?.includes(template)
    ? ['epoll']
    : family.needsFlat?.includes(template)
      ? ['poll', 'select']
      : family.pollers;
  const poller = draw.pick(pollers);
  const moment = drawMoment(draw);
  const durationMs = draw.int(1700, 2300);
  const program = new Program(draw, { poller, clean, durationMs });
  const noiseFirst = draw.chance(0.5);
  const few = id === 'accept-emfile' || family.cause === 'runqueue';
  const isStill = id === 'stale-readiness';
  if (noiseFirst) addNoise(program, { few, isStill });
  const fdKind = template(program, moment, turn);
  if (!noiseFirst) addNoise(program, { few, isStill });
  const { text, handler } = program.finish();
  return {
    text,
    expected: {
      class: id,
      cause: family.cause ?? null,
      fdKind,
      handler,
      template: template.label ?? template.name,
      poller,
      moment: moment.kind,
    },
  };
}
