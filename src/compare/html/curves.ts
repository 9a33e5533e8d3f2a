// The curves that the chart library draws: percentiles out of the histograms, and figures against points.

import { Histogram } from '../../load/histogram.js';
import type { LoadResult } from '../../load/result.js';
import { formatSummary, formatValue } from '../render/format.js';
import type { Cell, FigureInfo, Report, WorkloadName } from '../report.js';
import { lawPerSecond } from '../workloads/saturate.js';

export interface Curve {
  readonly label: string;
  /** Of the contestant, for colour, dash and mark; -1: a law, drawn as a thin line. */
  readonly index: number;
  readonly values: readonly (number | null)[];
  /** Of the interval, or of the range where there is none. */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

/** All that the script of the page needs to draw one chart, as plain data. */
export interface CurveChart {
  readonly title: string;
  readonly note: string;
  readonly xTitle: string;
  readonly yTitle: string;
  /** Places on the axis, and what stands there. */
  readonly xs: readonly number[];
  readonly ticks: readonly (readonly [place: number, text: string])[];
  /** What each place is called when it is pointed at. */
  readonly xTexts: readonly string[];
  readonly yLog: boolean;
  /** Marks at the places: there are few, and each was measured. */
  readonly marks: boolean;
  readonly curves: readonly Curve[];
  /** The same as text: heading and rows. */
  readonly rows: readonly (readonly string[])[];
}

/** Tenths of a power of ten of what lies beyond: 0 is all, 1 is 90%, 5 is 99.999%. */
const STEPS = 50;
const quantileTicks: readonly (readonly [number, string])[] = [
  [0, '0%'],
  [-Math.log10(0.5), '50%'],
  [1, '90%'],
  [2, '99%'],
  [3, '99.9%'],
  [4, '99.99%'],
  [5, '99.999%'],
];
const told = [0.5, 0.9, 0.99, 0.999, 0.9999];

type Found = (cell: Cell) => LoadResult | undefined;

function histogramOf(report: Report, label: string, find: Found): Histogram {
  const all = new Histogram();
  for (const cell of report.cells) {
    if (cell.contestant !== label || cell.failure !== null) continue;
    const result = find(cell);
    if (result !== undefined) all.merge(Histogram.fromJSON((result.actives ?? result).histogram));
  }
  return all;
}

/** Latency by percentile, of all rounds together. Null when nothing was recorded. */
export function percentiles(report: Report, title: string, find: Found): CurveChart | null {
  const found = report.contestants.map(({ label }, index) => ({
    label,
    index,
    histogram: histogramOf(report, label, find),
  }));
  const some = found.filter(({ histogram }) => histogram.count > 0);
  if (some.length === 0) return null;
  const most = Math.max(...some.map(({ histogram }) => Math.log10(histogram.count)));
  const steps = Math.min(STEPS, Math.max(Math.floor(most * 10), 10));
  const xs = Array.from({ length: steps + 1 }, (_, i) => i / 10);
  const us = (histogram: Histogram, q: number): number => histogram.quantile(q) / 1000;
  return {
    title,
    note: 'All rounds together. To the right lie the slowest: at 99% one request in a hundred took longer. A curve ends where one request is left.',
    xTitle: 'share answered within',
    yTitle: 'us',
    xs,
    ticks: quantileTicks.filter(([place]) => place <= steps / 10),
    xTexts: xs.map((x) => `${Number((100 * (1 - 10 ** -x)).toPrecision(x < 2 ? 3 : Math.floor(x) + 2))}%`),
    yLog: true,
    marks: false,
    curves: some.map(({ label, index, histogram }) => ({
      label,
      index,
      values: xs.map((x) => (10 ** x > histogram.count ? null : Math.max(us(histogram, 1 - 10 ** -x), 0.1))),
    })),
    rows: [
      ['latency, us', ...told.map((q) => `${Number((q * 100).toFixed(4))}%`), 'longest', 'requests'],
      ...some.map(({ label, histogram }) => [
        label,
        ...told.map((q) =>
          1 / (1 - q) > histogram.count * 1.001 ? '-' : formatValue(us(histogram, q), 'us'),
        ),
        formatValue(histogram.max / 1000, 'us'),
        String(histogram.count),
      ]),
    ],
  };
}

const axisTitles: Partial<Record<WorkloadName, string>> = {
  active: 'idle connections',
  cpu: 'us of work per request',
  saturate: 'arrivals, in % of N / wait',
};

/** Where points stand on their axis: far apart by their logarithm, or, with a zero among them, one after the other. */
export function placesOf(points: readonly number[]): { places: number[]; ordinal: boolean; log: boolean } {
  const least = Math.min(...points);
  const wide = Math.max(...points) > 20 * Math.max(least, 1);
  if (!wide) return { places: [...points], ordinal: false, log: false };
  return least > 0
    ? { places: points.map((point) => Math.log10(point)), ordinal: false, log: true }
    : { places: points.map((_, i) => i), ordinal: true, log: false };
}

/** One figure against the points: `p99Us@10`, `p99Us@1000`. Null where there are less than two points. */
export function ladder(report: Report, base: string): CurveChart | null {
  const points = Object.keys(report.figures)
    .filter((name) => name.startsWith(`${base}@`))
    .map((name) => Number(name.slice(base.length + 1)))
    .filter(Number.isFinite)
    .toSorted((a, b) => a - b);
  if (points.length < 2) return null;
  const info = (point: number): FigureInfo | undefined => report.figures[`${base}@${point}`];
  const [title] = (info(points[0])?.title ?? base).split(', ');
  const unit = info(points[0])?.unit ?? 'count';
  const at = (label: string, point: number) => report.summaries[label]?.[`${base}@${point}`];
  const curves = report.contestants.flatMap(({ label }, index) => {
    const all = points.map((point) => at(label, point));
    if (all.every((one) => one === undefined)) return [];
    return [
      {
        label,
        index,
        values: all.map((one) => one?.median ?? null),
        low: all.map((one) => one?.interval?.low ?? one?.min ?? null),
        high: all.map((one) => one?.interval?.high ?? one?.max ?? null),
      },
    ];
  });
  if (curves.length === 0) return null;
  const values = curves
    .flatMap((curve) => [...curve.values, ...curve.low, ...curve.high])
    .filter((one) => one !== null);
  const yLog = Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 30;
  return {
    title: `${title} (${unit})`,
    note: `Medians; the bars are ${report.settings.rounds < 6 ? 'from the lowest round to the highest' : '95% intervals'}. Source: ${info(points[0])?.source ?? ''}.`,
    xTitle: axisTitles[report.settings.workload] ?? 'point',
    yTitle: unit,
    xs: placesOf(points).places,
    ticks: placesOf(points).places.map((place, i) => [place, String(points[i])] as const),
    xTexts: points.map((point) => info(point)?.title.split(', ').slice(1).join(', ') ?? String(point)),
    yLog,
    marks: true,
    curves: [...curves, ...lawsOf(report, base, points)],
    rows: [
      [title, ...points.map((point) => info(point)?.title.split(', ').slice(1).join(', ') ?? String(point))],
      ...report.contestants.map(({ label }) => [
        label,
        ...points.map((point) => formatSummary(at(label, point), unit)),
      ]),
    ],
  };
}

/** saturate: what arrives, and what N threads can answer by Little's law. */
function lawsOf(report: Report, base: string, points: readonly number[]): Curve[] {
  const { workload, poolThreads, waitMs } = report.settings;
  if (workload !== 'saturate' || base !== 'answersPerSecond') return [];
  const law = lawPerSecond(poolThreads, waitMs);
  return [
    { label: `N / wait = ${law.toFixed(1)}`, index: -1, values: points.map(() => law) },
    { label: 'all arrivals', index: -1, values: points.map((point) => (law * point) / 100) },
  ];
}
