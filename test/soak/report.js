// Figures of a run, for people.

const MIB = 1024 * 1024;
const whole = (number) => Math.round(number ?? 0).toLocaleString('en-US');
const mib = (bytes) => (bytes / MIB).toFixed(1);

/** One line while the run goes on. @param {import('./soak.js').Soak} soak */
export function progressLine({ server, samples, judge }, elapsedMs) {
  const { events, counts, staleEvents, staleCalls, live } = server.progress;
  const memory = samples.at(-1);
  const seconds = elapsedMs / 1000;
  const parts = [
    `${seconds.toFixed(0).padStart(5)} s`,
    `${whole(events)} events (${whole(events / seconds)}/s)`,
    `${whole((counts.accepted ?? 0) + (counts.opened ?? 0))} connections, ${whole(counts.closed)} closed, ${live} open`,
    `${whole(judge.aborted)} cut off`,
    `stale: ${whole(staleEvents)} dropped, ${whole(staleCalls)} called`,
    `lost ${judge.lost}`,
  ];
  if (memory !== undefined) {
    const { pssBytes, ownBytes, rssBytes, heapBytes, externalBytes, fds } = memory;
    parts.push(
      `PSS ${mib(pssBytes)} (own ${mib(ownBytes)}) RSS ${mib(rssBytes)} heap ${mib(heapBytes)} external ${mib(externalBytes)} MiB`,
      `${fds} fds`,
    );
  }
  return parts.join(' | ');
}

/** "55.0 to 60.0 against 5.0 to 10.0": what growthOf() compared. */
function windows({ settleMs, windowMs, endMs }) {
  const minutes = (fromMs) =>
    `${(fromMs / 60_000).toFixed(1)} to ${((fromMs + windowMs) / 60_000).toFixed(1)}`;
  return `${minutes(endMs - windowMs)} against that of ${minutes(settleMs)}`;
}

/** @param {ReturnType<import('./soak.js').Soak['result']>} result */
export function formatResult(result) {
  const { server, peer } = result;
  const rows = [
    ['readiness events', `${whole(result.events)} in ${result.elapsedS.toFixed(1)} s`],
    ['calls checked', `${whole(result.calls)}, each against the inode taken at registration`],
    [
      'connections',
      `${whole(server.accepted)} accepted, ${whole(server.opened)} opened, ${whole(server.closed)} closed`,
    ],
    ['cut off', `${whole(result.aborted)}, of them ${whole(server.killed)} by a neighbour in the same batch`],
    [
      'held up',
      `${whole(server.pauses)} pauses of the server, ${whole(server.drains)} writes that had to wait`,
    ],
    ['half-closed', `${whole(peer.halfClosed)} by the server first`],
    ['resets', `${whole(peer.resets)} seen by the peer`],
    [
      'fd numbers',
      `${whole(server.reusedFds)} used again within the batch; ${whole(server.duplicates)} duplicates held`,
    ],
    [
      'no descriptor',
      `${result.bursts} bursts; ${whole(server.noDescriptor)} EMFILE; ${whole(server.refused)} turned away`,
    ],
    [
      'bytes checked',
      `${(result.bytes / 1e6).toFixed(0)} MB on ${whole(result.judged)} connections, at both ends`,
    ],
    [
      'stale events',
      `${whole(result.staleEvents)}, of them ${whole(result.reusedSlots)} on a slot in use again`,
    ],
    ['stale calls', whole(result.staleCalls)],
    ['lost', whole(result.lost)],
    ['descriptors', `${result.fds.before} before, ${result.fds.after} after`],
  ];
  const first = result.samples[0];
  const last = result.samples.findLast(({ draining }) => !draining);
  if (last !== undefined)
    rows.push([
      'memory',
      `own ${mib(first.ownBytes)} to ${mib(last.ownBytes)} MiB, PSS ${mib(first.pssBytes)} to ${mib(last.pssBytes)} MiB`,
    ]);
  if (result.growth !== null) {
    const { growth } = result;
    const change = (name) => growth[name].toFixed(2);
    rows.push(
      ['growth', `own ${change('ownMib')} MiB: the median of minutes ${windows(growth)} of load`],
      [
        '  of it',
        `V8's young pages ${change('youngMib')}, its other pages ${change('oldMib')}, malloc ${change('mallocMib')}, ` +
          `the rest ${change('restMib')} MiB; ${growth.mappings} mappings`,
      ],
      ['  beside it', `living objects ${change('liveMib')} MiB, PSS ${change('pssMib')} MiB`],
    );
  }
  const title = `soak on ${result.poller}, ${result.trigger}, seed ${result.seed}${result.withoutGenerations ? ', WITHOUT the generation check' : ''}`;
  const verdict = result.interrupted ? 'interrupted: figures so far' : result.passed ? 'passed' : 'FAILED';
  return [
    title,
    ...rows.map(([name, text]) => `  ${name.padEnd(17)} ${text}`),
    ...result.problems.map((text) => `! ${text}`),
    verdict,
  ].join('\n');
}
