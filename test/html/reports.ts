// Reports made up for the page: all workloads' raw material, small, with text in it that tries to become markup.

import type { Cell, Report, WorkloadName } from '../../src/compare/report.js';
import { readSettings, type CompareOptions } from '../../src/compare/settings.js';
import { summarise } from '../../src/compare/statistics.js';
import { figuresOf } from '../../src/compare/workload.js';
import { workloads } from '../../src/compare/workloads.js';
import type { TimelineRow } from '../../src/compare/workloads/wait.js';
import { Histogram } from '../../src/load/histogram.js';
import { reportOf } from '../compare/report.js';

export const HOSTILE = `</script><script>window.hacked=1</script><img src=http://192.0.2.1/x onerror=hacked=1>"'&\u0007`;

const resultOf = (fromUs: number): object => {
  const histogram = new Histogram();
  for (let i = 0; i < 2000; i++) histogram.record((fromUs + i) * 1000);
  return { actives: null, histogram: histogram.toJSON() };
};

/** A request that is read after 5 ms, works 10 ms, waits 100 ms and works 10 ms again. */
const requestAt = (startMs: number): TimelineRow => ({
  sentMs: startMs,
  receivedMs: startMs + 5,
  waitStartedMs: startMs + 15,
  waitEndedMs: startMs + 115,
  answeredMs: startMs + 125,
  repliedMs: startMs + 126,
  workingMs: 20,
  runnableMs: 0,
  waitingMs: 100,
  thread: 1,
});

/** Figures that differ by contestant, round and name, so that one drawn in another's place is noticed. */
function valueOf(name: string, contestant: number, round: number): number {
  const letters = [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return (letters % 97) * 100 + contestant * 1000 + round * 10 + 1;
}

function rawOf(workload: WorkloadName, contestant: number, report: Report): Record<string, unknown> {
  switch (workload) {
    case 'wait':
      return { timeline: [requestAt(0), requestAt(contestant * 100)], threads: [], result: { records: [] } };
    case 'idle':
      return { result: { ...resultOf(1), actives: resultOf(100 * (contestant + 1)) } };
    case 'echo':
    case 'churn':
      return { result: resultOf(100 * (contestant + 1)) };
    default: {
      const names = Object.keys(report.figures).flatMap((name) => name.split('@')[1] ?? []);
      return Object.fromEntries(
        [...new Set(names)].map((name, i) => [name, { result: resultOf(100 * (contestant + 1) + i) }]),
      );
    }
  }
}

/** A report of two contestants with everything that a real one has. The first one's label is hostile. */
export function madeUp(workload: WorkloadName, options: CompareOptions = {}): Report {
  const settings = readSettings(workload, { seed: 1, rounds: 6, ...options });
  const figures = figuresOf(workloads[workload], settings);
  const labels = [`epoll${HOSTILE}`, 'threads'];
  const frame = reportOf([]);
  const report: Report = {
    ...frame,
    settings,
    figures,
    notices: [`notice ${HOSTILE}`],
    contestants: labels.map((label) => ({ label, model: 'epoll', requestsPerConnection: 0, summary: label })),
    verdict: [`verdict ${HOSTILE}`],
  };
  for (let round = 1; round <= settings.rounds; round++) {
    for (const [contestant, label] of labels.entries()) {
      const cell: Cell = {
        round,
        contestant: label,
        failure: null,
        notes: [`note ${HOSTILE}`],
        figures: Object.fromEntries(
          Object.keys(figures).map((name) => [name, valueOf(name, contestant, round)]),
        ),
        unavailable: { systemCalls: `reason ${HOSTILE}` },
        raw: rawOf(workload, contestant, report),
      };
      report.cells.push(cell);
    }
  }
  for (const label of labels) {
    const own = report.cells.filter(({ contestant }) => contestant === label);
    report.summaries[label] = Object.fromEntries(
      Object.keys(figures).map((name) => [name, summarise(own.map((cell) => cell.figures[name]!))]),
    );
  }
  report.cells.push({
    ...report.cells[0]!,
    round: 0,
    figures: {},
    raw: {},
    failure: `failure ${HOSTILE}`,
  });
  return report;
}
