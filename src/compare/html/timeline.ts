// Timelines: when each request was sent, in work, waiting and answered, on one scale for all contestants.

import { formatCount } from '../render/format.js';
import type { Report } from '../report.js';
import type { TimelineRow } from '../workloads/wait.js';
import { axisX, figure, picture, round, type Drawn, type Frame } from './drawing.js';
import { markup, type Markup } from './markup.js';
import { scaleOf } from './scale.js';

/** More requests than this are shown by examples, evenly chosen. */
const ROWS_MAX = 24;
const ROW = 10;
const GAP = 4;

const phases = [
  ['queued', 'sent, not yet read', 'sentMs', 'receivedMs'],
  ['working', 'in work', 'receivedMs', 'waitStartedMs'],
  ['waiting', 'waiting', 'waitStartedMs', 'waitEndedMs'],
  ['working', 'in work', 'waitEndedMs', 'answeredMs'],
] as const;

interface Group {
  readonly label: string;
  readonly rows: readonly { readonly row: TimelineRow; readonly index: number }[];
  readonly count: number;
  readonly endMs: number;
}

/** Of each contestant's first cell that did not fail. */
export function timelinesOf(report: Report): Group[] {
  return report.contestants.flatMap(({ label }) => {
    const cell = report.cells.find(
      ({ contestant, failure, raw }) =>
        contestant === label && failure === null && Array.isArray(raw['timeline']),
    );
    const all = (cell?.raw['timeline'] ?? []) as TimelineRow[];
    if (all.length === 0) return [];
    const shown = Math.min(all.length, ROWS_MAX);
    const rows = Array.from({ length: shown }, (_, at) => {
      const index = shown === 1 ? 0 : Math.round((at * (all.length - 1)) / (shown - 1));
      return { row: all[index], index };
    });
    return [
      { label, rows, count: all.length, endMs: all.reduce((end, row) => Math.max(end, row.repliedMs), 0) },
    ];
  });
}

function draw(groups: readonly Group[], { width, narrow }: Frame): Drawn {
  const left = narrow ? 34 : 60;
  const right = width - 26;
  const scale = scaleOf([0, ...groups.map(({ endMs }) => endMs)]);
  const x = (ms: number): number => round(left + scale.at(Math.max(ms, 0)) * (right - left));
  let y = 26;
  const body = groups.map(({ label, rows, count, endMs }) => {
    const heading = markup`<text class="strong" x="0" y="${y + 14}">${label}: ${formatCount(count)} answered in ${endMs.toFixed(0)} ms</text>`;
    y += 22;
    const lines = rows.map(({ row, index }) => {
      const top = y;
      y += ROW + GAP;
      const bars = phases.map(([name, title, from, to]) => {
        const width = round(Math.max(x(row[to]) - x(row[from]), 0));
        return markup`<rect class="${name}" x="${x(row[from])}" y="${name === 'queued' ? top + ROW / 2 - 1 : top}" width="${width}" height="${name === 'queued' ? 2 : ROW}" data-model="${label}" data-request="${index}" data-phase="${name}" data-from="${row[from]}" data-to="${row[to]}"><title>${label}, request ${index + 1}: ${title} from ${row[from].toFixed(1)} to ${row[to].toFixed(1)} ms</title></rect>`;
      });
      return markup`<text class="small" x="${left - 6}" y="${top + ROW - 1}" text-anchor="end">${index + 1}</text>${bars}`;
    });
    y += 10;
    return [heading, lines];
  });
  return { height: y, body: [axisX(scale, left, right, 20, y - 6), body] };
}

export function timelines(report: Report): Markup | null {
  const groups = timelinesOf(report);
  if (groups.length === 0) return null;
  const key = (name: string, text: string): Markup =>
    markup`<li><svg class="swatch" width="24" height="12" aria-hidden="true"><rect class="${name}" x="1" y="${name === 'queued' ? 5 : 1}" width="22" height="${name === 'queued' ? 2 : 10}"/></svg> ${text}</li>`;
  const legend = markup`<ul class="legend">${key('queued', 'sent, and not yet read by the server')}${key('working', 'in work')}${key('waiting', 'waiting on the upstream')}</ul>`;
  const columns = [
    'sentMs',
    'receivedMs',
    'waitStartedMs',
    'waitEndedMs',
    'answeredMs',
    'repliedMs',
  ] as const;
  return figure(
    'Timelines of the requests, ms',
    `One scale for all, from the first send. ${groups.some(({ count }) => count > ROWS_MAX) ? `Of more than ${ROWS_MAX} requests some are shown, evenly chosen.` : 'Every request of the first round is shown.'}`,
    [
      legend,
      picture('Timelines: each request by model, with its work and its wait', (frame) => draw(groups, frame)),
    ],
    [
      ['request', 'sent', 'received', 'wait begins', 'wait ends', 'answered', 'reply read'],
      ...groups.flatMap(({ label, rows }) =>
        rows.map(({ row, index }) => [
          `${label} ${index + 1}`,
          ...columns.map((column) => row[column].toFixed(2)),
        ]),
      ),
    ],
  );
}
