// The model `blocking-in-loop`: a synchronous upstream call inside a handler of the loop. The classic mistake.

import { nativeKernel } from '../kernel/native.js';
import { BlockingCalls } from '../workload/blocking-calls.js';
import { ReactorModel } from './reactor.js';

/**
 * While a request waits, the loop stands: no other connection, timer or signal handler gets its turn, so stop() too has to
 * wait for the upstream's answer.
 */
export const blockingInLoop = new ReactorModel('blocking-in-loop', nativeKernel.pollerKinds[0], 'level', {
  summary: 'a blocking call in a handler of the loop: one thread, and everybody waits for it',
  calls: (reactor, { upstreamPort }) => new BlockingCalls(upstreamPort, (callback) => reactor.post(callback)),
});
