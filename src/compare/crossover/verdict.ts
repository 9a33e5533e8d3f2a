// What a map says, in sentences: how many cells each wins and where, how good the law is, and what to take.

import type { CrossoverReport, LawCheck, MapCell } from './report.js';

/** Models whose threads block, and models on a loop: what the sentences at the end are about. */
const BLOCKING: readonly string[] = ['sequential', 'threads', 'pool', 'worker'];

export function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
}

export function isBlocking(label: string): boolean {
  return BLOCKING.includes(label.replace(/#\d+$/, ''));
}

/** The side that wins a cell: all its winners block, none does, or there is no difference between the two. */
export function sideOf({ verdict }: MapCell): 'threads' | 'loop' | 'level' {
  const { winners, by } = verdict;
  if (by === null || winners.length === 0) return 'level';
  if (winners.every(isBlocking)) return 'threads';
  return winners.some(isBlocking) ? 'level' : 'loop';
}

function range(values: readonly number[], say: (value: number) => string): string {
  const least = Math.min(...values);
  const most = Math.max(...values);
  return least === most ? say(least) : `${say(least)} to ${say(most)}`;
}

type Load = Pick<MapCell, 'connections' | 'cpuUs' | 'waitMs'>;

const sayLoad = ({ connections, cpuUs, waitMs }: Load): string =>
  `${connections} connection${connections === 1 ? '' : 's'}, ${cpuUs} us of CPU, ${waitMs} ms of wait`;

function saySide(name: string, cells: readonly MapCell[], total: number): string {
  if (cells.length === 0) return `${name} win none of ${total} cells.`;
  const by = new Map<string, number>();
  for (const { verdict } of cells) by.set(verdict.by ?? '', (by.get(verdict.by ?? '') ?? 0) + 1);
  const reasons = [...by].toSorted((a, b) => b[1] - a[1]).map(([reason, count]) => `${count} by ${reason}`);
  const best = cells.reduce((most, cell) => (cell.verdict.margin > most.verdict.margin ? cell : most));
  const where = range(
    cells.map(({ connections }) => connections),
    String,
  );
  return (
    `${name} win ${cells.length} of ${total} cells (${reasons.join(', ')}), with ${where} connections; most clearly ` +
    `with ${sayLoad(best)}: ${best.verdict.winners.join(', ')} by ` +
    `${percent(best.verdict.margin)} (${best.verdict.by ?? ''}).`
  );
}

export function sayCheck(what: string, { values, median, worst, worstAt }: LawCheck): string {
  const at =
    worstAt === null
      ? ''
      : ` (${worstAt.contestant} with ${sayLoad(worstAt)}: ` +
        `predicted ${worstAt.predicted.toFixed(0)}, measured ${worstAt.measured.toFixed(0)})`;
  return `${what}: median error ${percent(median)}, worst ${percent(worst)}${at}; ${values} predictions.`;
}

export function crossoverVerdict(report: CrossoverReport): string[] {
  const { cells, check, contestants } = report;
  if (cells.length === 0) return [];
  const sentences: string[] = [];
  const of = (side: ReturnType<typeof sideOf>): MapCell[] => cells.filter((cell) => sideOf(cell) === side);
  if (contestants.some(({ label }) => isBlocking(label)))
    sentences.push(saySide('Threads', of('threads'), cells.length));
  if (contestants.some(({ label }) => !isBlocking(label)))
    sentences.push(saySide('Loops', of('loop'), cells.length));
  const level = of('level').length;
  if (level > 0)
    sentences.push(`In ${level} cells neither threads nor loops win: take what is simpler to write.`);
  const unserved = new Set(cells.flatMap(({ verdict }) => verdict.notServing));
  if (unserved.size > 0)
    sentences.push(
      `${[...unserved].join(', ')} leaves connections without an answer where there are more than it has threads.`,
    );
  const bound = cells.filter(({ measured }) =>
    Object.values(measured).some((one) => one?.clientBound === true),
  ).length;
  if (bound > 0)
    sentences.push(`In ${bound} cells the load's own core was the limit: there throughput decides nothing.`);
  if (check !== null) {
    sentences.push(sayCheck('The law of throughput, in the cells held out', check.throughput));
    sentences.push(sayCheck('Of median latency (us), in the cells held out', check.p50));
    sentences.push(sayCheck('From the calibration set alone, all cells', check.probesAlone));
  }
  return sentences;
}
