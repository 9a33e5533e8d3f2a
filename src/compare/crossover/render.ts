// A crossover as text: the map in letters that need no colour, the law, how well it does, and sentences.

import { formatBytes, formatCount, formatTable, wrap } from '../render/format.js';
import { machineLines } from '../render/frame.js';
import type { LawParameters } from './law.js';
import type { Criterion, CrossoverReport, MapCell } from './report.js';
import { percent } from './verdict.js';

const MARKS: Readonly<Record<Criterion, string>> = {
  throughput: '',
  'server CPU per request': 'c',
  'p99 latency': 'l',
};
const parameterNames: Readonly<Record<keyof LawParameters, string>> = {
  requestUs: 'CPU of every request, us',
  accountUs: 'CPU of accounting, us',
  workUs: 'CPU of work beyond what was asked, us',
  wakeUpUs: 'CPU of a wake-up, shared by a batch, us',
  growthUs: 'CPU per doubling of connections, us',
  waitUs: 'CPU of a call to the upstream, us',
  latencyUs: 'latency unloaded, us',
  waitLatencyUs: 'latency of a wait beyond it, us',
  sharpness: 'sharpness of the knee',
};

/** The shortest beginnings of their names that tell the models apart, as capitals. */
export function lettersOf(labels: readonly string[]): Map<string, string> {
  const letters = new Map<string, string>();
  for (const label of labels) {
    const taken = new Set(letters.values());
    const candidates = label.toUpperCase().match(/[A-Z0-9]/g) ?? [];
    letters.set(label, candidates.find((one) => !taken.has(one)) ?? String(letters.size));
  }
  return letters;
}

/** `E +38%`, `TP c+20%`, `=` for no difference, `-` for nobody. */
export function drawCell({ verdict }: MapCell, letters: ReadonlyMap<string, string>): string {
  const { winners, by, margin } = verdict;
  if (winners.length === 0) return '-';
  const names = winners.map((label) => letters.get(label) ?? '?').join('');
  if (by === null) return winners.length === 1 ? `${names} alone` : '=';
  const size = margin >= 9.995 ? `x${(margin + 1).toFixed(0)}` : `+${(margin * 100).toFixed(0)}%`;
  return `${names} ${MARKS[by]}${size}`;
}

const sayCpu = (us: number): string => (us >= 1000 ? `${us / 1000} ms` : `${us} us`);

/** A block for each number of connections: a row for each CPU per request, a column for each wait. */
function block(report: CrossoverReport, connections: number, letters: ReadonlyMap<string, string>): string {
  const { settings, cells } = report;
  const rows = settings.cpuUs.map((cpuUs) => [
    `  CPU ${sayCpu(cpuUs)}`,
    ...settings.waitMs.map((waitMs) => {
      const cell = cells.find(
        (one) => one.connections === connections && one.cpuUs === cpuUs && one.waitMs === waitMs,
      );
      return cell === undefined ? '.' : drawCell(cell, letters) + (cell.heldOut ? ' ' : '*');
    }),
  ]);
  const title = `${formatCount(connections)} connection${connections === 1 ? '' : 's'}`;
  return formatTable([[title, ...settings.waitMs.map((waitMs) => `wait ${waitMs} ms `)], ...rows]);
}

function lawTable(report: CrossoverReport): string[] {
  const { law } = report;
  if (law === null) return [];
  const { models, client } = law;
  const rows = (Object.keys(parameterNames) as (keyof LawParameters)[]).map((name) => [
    parameterNames[name],
    ...models.map(({ parameters }) => parameters[name].toFixed(parameters[name] < 100 ? 1 : 0)),
  ]);
  const memory = (of: 'baseBytes' | 'perConnectionBytes'): string[] =>
    models.map((one) => (one.memory === null ? '-' : formatBytes(one.memory[of])));
  return [
    formatTable([
      ['The law: what each costs here', ...models.map(({ contestant }) => contestant)],
      ...rows,
      ['memory without connections', ...memory('baseBytes')],
      ['memory per connection, both ends', ...memory('perConnectionBytes')],
    ]),
    `The load's own core: ${client.requestUs.toFixed(1)} us per request, ${client.waitUs.toFixed(1)} us more with a wait, ` +
      `${client.wakeUpUs.toFixed(1)} us for a wake-up, shared by a batch.`,
    '',
  ];
}

export function renderCrossover(report: CrossoverReport): string {
  const { settings, contestants, cells, measurements, noise } = report;
  const labels = contestants.map(({ label }) => label);
  const letters = lettersOf(labels);
  const key = labels.map((label) => `${letters.get(label) ?? ''} ${label}`).join(', ');
  const failures = measurements.filter(({ failure }) => failure !== null);
  return [
    `crossover: ${cells.length} cells, ${labels.length} models, ${settings.rounds} round${settings.rounds === 1 ? '' : 's'}, ${(report.elapsedMs / 60_000).toFixed(1)} minutes`,
    ...machineLines(report.machine, report.pinning, settings.seed),
    ...report.notices.map((notice) => wrap(`! ${notice}`, '  ')),
    ...(report.interrupted ? [`! Interrupted: ${measurements.length} measurements were made.`] : []),
    '',
    `Who wins, and by how much the next is behind: ${key}; several letters: level with each other; = no difference;`,
    'in front of the percentage nothing: throughput, c: server CPU per request, l: p99 latency; . not measured;',
    '* the law has learned from this cell, the others were held out.',
    '',
    ...settings.connections.flatMap((connections) => [block(report, connections, letters), '']),
    ...lawTable(report),
    ...(noise === null
      ? []
      : [
          wrap(
            `Noise of one round: throughput ${percent(noise.requestsPerSecond)}, CPU per request ${percent(noise.serverCpuUs)}, ` +
              `p99 ${percent(noise.p99Us)}.`,
            '  ',
          ),
        ]),
    ...failures.map((one) =>
      wrap(
        `! ${one.contestant}, round ${one.round}, ${one.connections} connections, ${one.cpuUs} us, ${one.waitMs} ms, FAILED: ${one.failure ?? ''}`,
        '  ',
      ),
    ),
    ...(report.verdict.length > 0 ? ['', ...report.verdict.map((line) => wrap(`> ${line}`, '  '))] : []),
    ...(report.law === null
      ? []
      : [
          '',
          'For your own numbers: underloop advise --connections 500 --wait 20ms --cpu 2ms [--from FILE.json]',
        ]),
  ].join('\n');
}
