// A report as one HTML page that needs nothing else: no network, no other file.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { formatSummary } from '../render/format.js';
import { heading } from '../render/frame.js';
import type { Report } from '../report.js';
import { workloads } from '../workloads.js';
import { chartsOf } from './charts.js';
import type { CurveChart } from './curves.js';
import { figure, table, unitTitle } from './drawing.js';
import { patterns } from './look.js';
import { crossoverMap, winnersOf, type CrossoverMap } from './map.js';
import { markup, raw, scriptData, type Markup } from './markup.js';
import { pageScript } from './script.js';
import { pageStyle } from './style.js';

export interface PageOptions {
  readonly title?: string;
  /** Grids of winners, shown before the reports. */
  readonly maps?: readonly CrossoverMap[];
  /** Sentences at the top. */
  readonly lines?: readonly string[];
  /** A sentence for each report on what to look at. */
  readonly says?: readonly string[];
}

/** More notes than this are folded. */
const NOTES_MAX = 4;

/** The chart library's files, as they are installed: read only when a page is written. */
function library(file: string): string {
  return readFileSync(createRequire(import.meta.url).resolve(`uplot/dist/${file}`), 'utf8');
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** The page of these reports: comparisons, or the stops of a tour. */
export function toHtml(
  reports: readonly Report[],
  { title, maps = [], lines = [], says = [] }: PageOptions = {},
): string {
  const curves: CurveChart[] = [];
  const place = (chart: CurveChart): Markup => {
    curves.push(chart);
    const { title, note, rows } = chart;
    return figure(
      title,
      note,
      markup`<div class="curve" data-chart="${curves.length - 1}" tabindex="0" role="application" aria-roledescription="chart" aria-label="${title}. Left and right arrow keys read its values; the table below has them too."></div><output aria-live="polite"></output>`,
      rows,
    );
  };
  const winners = winnersOf(maps);
  const titles = reports.map(titleOf);
  const sections = reports.map(
    (
      report,
      i,
    ) => markup`<section id="r${i}" data-workload="${report.settings.workload}"><h2>${titles[i]}</h2>
${i < says.length ? markup`<p>${says[i]}</p>` : null}${about(report, titles[i])}
${chartsOf(report).map((chart) => ('drawing' in chart ? chart.drawing : place(chart.curves)))}
<h3>All figures</h3><p class="soft">Medians with their intervals [95%], or with fewer than six rounds the range {lowest .. highest}.</p>${summaries(report)}
<details><summary>Every cell: each figure of each round</summary>${cells(report)}</details></section>
`,
  );
  const hint =
    curves.length === 0
      ? null
      : markup`<p class="hint">Curves: drag to zoom, double-click or Escape for the whole, arrow keys read values, a name in a legend hides its curve.</p><noscript><p class="notice">The curves need JavaScript; the table below each has the same.</p></noscript>`;
  const name =
    title ?? (titles.length === 1 ? `underloop compare ${titles[0]}` : 'underloop: a comparison of models');
  const style = `${library('uPlot.min.css')}\n${pageStyle}`;
  const scripts = [library('uPlot.iife.min.js'), pageScript];
  const policy = `default-src 'none'; script-src ${scripts.map(hashOf).join(' ')}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'`;
  const contents =
    reports.length < 2
      ? null
      : markup`<nav aria-label="Comparisons"><ul>${titles.map((text, i) => markup`<li><a href="#r${i}">${text.split(':')[0]}</a></li>`)}</ul></nav>`;
  return `<!DOCTYPE html>\n${
    markup`<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${name}</title><style>${raw(style)}</style></head><body>
${patterns()}<header><h1>${name}</h1>${contents}${hint}</header><main>
${lines.length === 0 ? null : markup`<ul class="verdict">${lines.map((text) => markup`<li>${text}</li>`)}</ul>`}${maps.map((map) => crossoverMap(map, winners))}${sections}</main><footer>Medians of one machine: yours is the only one that counts for you.</footer>
<script type="application/json" id="charts">${scriptData(curves)}</script>${scripts.map((text) => markup`<script>${raw(text)}</script>`)}
</body></html>`.text
  }\n`;
}

/** The first line of the text: what was asked of whom. */
function titleOf(report: Report): string {
  return workloads[report.settings.workload].render(report).split('\n', 1)[0];
}

/** Machine, notices, settings, verdict, notes and failures. */
function about(report: Report, title: string): Markup {
  const [, ...lines] = heading(report, title).split('\n');
  const said = lines.filter((line) => !/^(!| {2})/.test(line));
  const settings = Object.entries(report.settings)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(',') || 'none' : String(value)}`)
    .join('; ');
  const notices = [
    ...report.notices,
    ...(report.interrupted ? [`Interrupted: ${report.cells.length} cells were measured.`] : []),
  ];
  const notes = new Set(
    report.cells.flatMap(({ contestant, notes }) => notes.map((note) => `${contestant}: ${note}`)),
  );
  const missing = new Set(
    report.cells.flatMap(({ contestant, unavailable }) =>
      Object.entries(unavailable).map(
        ([name, reason]) => `${contestant}: no ${report.figures[name]?.title.trim() ?? name}: ${reason}`,
      ),
    ),
  );
  const list = (items: readonly string[]): Markup | null =>
    items.length === 0
      ? null
      : markup`<ul class="soft">${items.map((text) => markup`<li>${text}</li>`)}</ul>`;
  return markup`<p class="soft">${said.join('. ')}. Measured ${report.startedAt}, in ${(report.elapsedMs / 1000).toFixed(0)} s.</p>
${notices.map((text) => markup`<p class="notice">${text}</p>`)}
${report.cells.flatMap(({ contestant, round, failure }) => (failure === null ? [] : [markup`<p class="failure">${contestant}, round ${round}, failed: ${failure}</p>`]))}
${report.verdict.length === 0 ? null : markup`<ul class="verdict">${report.verdict.map((text) => markup`<li>${text}</li>`)}</ul>`}
${list([...notes].slice(0, NOTES_MAX))}${notes.size > NOTES_MAX ? markup`<details><summary>${notes.size - NOTES_MAX} more notes</summary>${list([...notes].slice(NOTES_MAX))}</details>` : null}
<details><summary>Settings, and what could not be had</summary><p class="settings">${settings}</p>${list([...missing])}</details>`;
}

function summaries(report: Report): Markup {
  const labels = report.contestants.map(({ label }) => label);
  const rows = Object.entries(report.figures)
    .filter(([name]) => labels.some((label) => report.summaries[label]?.[name] !== undefined))
    .map(([name, info]) => {
      const { title, unit } = info ?? { title: name, unit: 'count' as const };
      return [
        `${title.trim()} (${unitTitle(unit)})`,
        ...labels.map((label) => formatSummary(report.summaries[label]?.[name], unit)),
      ];
    });
  return table([['', ...labels], ...rows], 'All figures');
}

function cells(report: Report): Markup {
  const names = Object.keys(report.figures).filter((name) =>
    report.cells.some(({ figures }) => figures[name] !== undefined),
  );
  return table(
    [
      ['round, model', ...names, 'failure'],
      ...report.cells.map(({ round, contestant, figures, failure }) => [
        `${round}, ${contestant}`,
        ...names.map((name) => (figures[name] === undefined ? '' : String(figures[name]))),
        failure ?? '',
      ]),
    ],
    'Every cell',
  );
}
