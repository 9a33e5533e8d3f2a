// The page of a report in a real browser: what is drawn is what the report says, nothing leaves the page, and it can be
// read on paper, on a telephone and by keys.

/// <reference lib="dom" />

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { toHtml } from '../../src/compare/html/page.js';
import type { CrossoverMap } from '../../src/compare/html/map.js';
import { WORKLOADS, type Report } from '../../src/compare/report.js';
import { Histogram } from '../../src/load/histogram.js';
import { browserPath, openBrowser } from './browser.js';
import { madeUp } from './reports.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** As the page shows it: a control character is none of HTML's. */
const shown = (text: string): string => text.replaceAll('\u0007', '\ufffd');

/** What script.ts leaves in the window, as far as it is looked at here. */
interface Drawn {
  title: string;
  curves: string[];
  u: { data: (number | null)[][]; width: number; cursor: { idx: number | null } };
}

const folder = mkdtempSync(join(tmpdir(), 'underloop-html-'));
const reports = WORKLOADS.map((workload) => madeUp(workload));
const reportOf = (workload: string): Report =>
  reports.find(({ settings }) => settings.workload === workload)!;
const map: CrossoverMap = {
  title: 'Crossover',
  xTitle: 'connections',
  yTitle: 'wait',
  xs: ['1', '1,000'],
  ys: ['0 ms', '20 ms'],
  cells: [
    { x: '1', y: '0 ms', winner: 'threads', margin: 1.25 },
    { x: '1,000', y: '0 ms', winner: 'epoll', margin: 3, predicted: true },
    { x: '1', y: '20 ms', winner: null, margin: null },
    { x: '1,000', y: '20 ms', winner: 'epoll', margin: 14, note: '<b>note</b>' },
  ],
};

describe.skipIf(browserPath === undefined)(
  'the page (skipped where there is no chromium on the PATH)',
  () => {
    let browser: Browser;
    const address = pathToFileURL(join(folder, 'page.html')).href;
    const troubles: string[] = [];
    const requests: string[] = [];

    async function open(options: BrowserContextOptions = {}): Promise<Page> {
      const page = await browser.newPage(options);
      page.on('console', (message) => troubles.push(message.text()));
      page.on('pageerror', (error) => troubles.push(error.message));
      page.on('request', (request) => requests.push(request.url()));
      await page.goto(address);
      return page;
    }

    let page: Page;
    beforeAll(async () => {
      writeFileSync(join(folder, 'page.html'), toHtml(reports, { maps: [map] }));
      browser = await openBrowser();
      page = await open({ viewport: { width: 1000, height: 800 } });
    });
    afterAll(async () => {
      await browser.close();
      rmSync(folder, { recursive: true });
    });

    const chartsOf = (of: Page) =>
      of.evaluate(() =>
        (window as unknown as { underloopCharts: Drawn[] }).underloopCharts.map(({ title, curves, u }) => ({
          title,
          curves,
          data: u.data as (number | null)[][],
          width: u.width,
        })),
      );
    /** The chart with this title in the section of a workload. */
    async function chartIn(workload: string, title: RegExp) {
      const places = await page.$$eval(`section[data-workload=${workload}] .curve`, (found) =>
        found.map((place) => Number((place as HTMLElement).dataset['chart'])),
      );
      const all = await chartsOf(page);
      return places.map((place) => all[place]!).find((chart) => title.test(chart.title))!;
    }

    test('asks for nothing but itself, and reports no error; hostile text stays text', async () => {
      const seen = await page.evaluate(() => ({
        hacked: 'hacked' in window,
        images: document.querySelectorAll('img').length,
        scripts: document.scripts.length,
        text: document.body.textContent,
      }));
      expect(seen).toMatchObject({ hacked: false, images: 0, scripts: 3 });
      for (const where of ['notice', 'verdict', 'note', 'reason', 'failure'])
        expect(seen.text, where).toContain(`${where} </script><script>window.hacked=1</script><img`);
      expect(seen.text).toContain(`"'&\ufffd`);
      expect(troubles).toEqual([]);
      expect(requests).toEqual([address]);
      // And the policy would not let it: neither a script of somebody else's nor a request.
      const blocked = await page.evaluate(async () => {
        const script = document.createElement('script');
        script.textContent = 'window.hacked = 2';
        document.body.append(script);
        const fetched = await fetch('http://127.0.0.1:9/').catch(() => 'refused');
        return { hacked: 'hacked' in window, fetched };
      });
      expect(blocked).toEqual({ hacked: false, fetched: 'refused' });
      expect(troubles.filter((text) => !text.includes('Content Security Policy'))).toEqual([]);
      troubles.length = 0;
      expect(requests).toEqual([address]);
    });

    test('stacked bars are as wide as their parts are large', async () => {
      const { summaries, contestants } = reportOf('idle');
      const costs = new Map(contestants.map(({ label }) => [shown(label), summaries[label]!]));
      const parts = await page.$$eval('section[data-workload=idle] svg.wide g[data-part]', (groups) =>
        groups.map((group) => {
          const { model, part, value } = (group as SVGElement).dataset;
          const { width, x } = (group.querySelector('rect') as SVGRectElement).getBBox();
          return { model: model!, part: part!, value: Number(value), width, x };
        }),
      );
      expect(parts).toHaveLength(2 * 7);
      const scale = parts[0]!.width / parts[0]!.value;
      for (const { model, part, value, width } of parts) {
        expect(value, part).toBe(costs.get(model)![part]!.median / 1024);
        expect(width / value / scale, part).toBeCloseTo(1, 1);
      }
      // One after the other, without a gap.
      for (const { label } of contestants) {
        const own = parts.filter(({ model }) => model === shown(label));
        for (const [i, { x }] of own.entries())
          if (i > 0) expect(x).toBeCloseTo(own[i - 1]!.x + own[i - 1]!.width, 1);
      }
    });

    test('timelines lie where the stamps are', async () => {
      const rects = await page.$$eval('section[data-workload=wait] svg.wide rect[data-phase]', (found) =>
        found.map((rect) => {
          const { model, phase, from, to } = (rect as SVGElement).dataset;
          const { x, width } = (rect as SVGRectElement).getBBox();
          return { model, phase, from: Number(from), to: Number(to), x, width };
        }),
      );
      expect(rects).toHaveLength(2 * 2 * 4);
      const waits = rects.filter(({ phase }) => phase === 'waiting');
      const perMs = waits[0]!.width / 100;
      const origin = waits[0]!.x - 15 * perMs;
      expect(waits.map(({ from, to }) => [from, to])).toEqual([
        [15, 115],
        [15, 115],
        [15, 115],
        [115, 215],
      ]);
      for (const { from, to, x, width } of rects) {
        expect(x).toBeCloseTo(origin + from * perMs, 0);
        expect(width).toBeCloseTo((to - from) * perMs, 0);
      }
    });

    test('ladders have the medians of the report, saturate the line of Little’s law', async () => {
      for (const [workload, title, figure] of [
        ['active', /^latency p99/, 'p99Us'],
        ['cpu', /^requests per second/, 'requestsPerSecond'],
        ['saturate', /^answers per second/, 'answersPerSecond'],
      ] as const) {
        const { summaries, settings, contestants } = reportOf(workload);
        const chart = await chartIn(workload, title);
        const points =
          workload === 'active' ? [...settings.points, settings.connections] : [...settings.points];
        const expected = contestants.map(({ label }) =>
          points.map((point) => summaries[label]![`${figure}@${point}`]!.median),
        );
        expect(chart.data.slice(1, 3), workload).toEqual(expected);
        expect(chart.curves.slice(0, 2)).toEqual(contestants.map(({ label }) => label));
        if (workload !== 'saturate') continue;
        const law = (settings.poolThreads * 1000) / settings.waitMs;
        expect(chart.data[3]).toEqual(points.map(() => law));
        expect(chart.data[4]).toEqual(points.map((point) => (law * point) / 100));
        expect(chart.data[0]).toEqual(points);
      }
    });

    test('percentiles are those of the histograms of all rounds', async () => {
      for (const [workload, take] of [
        ['echo', (raw: Record<string, unknown>) => raw['result']],
        ['idle', (raw: Record<string, unknown>) => (raw['result'] as { actives: unknown }).actives],
      ] as const) {
        const report = reportOf(workload);
        const chart = await chartIn(workload, /^Latency by percentile/);
        for (const [i, { label }] of report.contestants.entries()) {
          const all = new Histogram();
          for (const { contestant, failure, raw } of report.cells)
            if (contestant === label && failure === null)
              all.merge(Histogram.fromJSON((take(raw) as { histogram: unknown }).histogram));
          const [xs = [], ...curves] = chart.data;
          for (const [at, percent] of [
            [0, 0],
            [10, 0.9],
            [20, 0.99],
            [30, 0.999],
          ] as const) {
            expect(xs[at]).toBeCloseTo(-Math.log10(1 - percent), 6);
            expect(curves[i]![at]! * 1000).toBeCloseTo(all.quantile(percent), 0);
          }
        }
      }
    });

    test('every round is a mark at its value, and the median and its interval stand there too', async () => {
      const { cells, summaries, contestants } = reportOf('echo');
      const marks = await page.$$eval(
        'section[data-workload=echo] svg.wide .mark[data-figure=serverCpuUs]',
        (found) =>
          found.map((mark) => {
            const { model, round, value } = (mark as SVGElement).dataset;
            const at = (mark as SVGGraphicsElement).transform.baseVal.getItem(0).matrix.e;
            return { model: model!, round: Number(round), value: Number(value), at };
          }),
      );
      expect(marks).toHaveLength(2 * 6);
      const [first, last] = [marks[0]!, marks.at(-1)!];
      const slope = (last.at - first.at) / (last.value - first.value);
      for (const { model, round, value, at } of marks) {
        const cell = cells.find((one) => shown(one.contestant) === model && one.round === round)!;
        expect(value).toBe(cell.figures['serverCpuUs']);
        expect(at).toBeCloseTo(first.at + slope * (value - first.value), 0);
      }
      const medians = await page.$$eval(
        'section[data-workload=echo] svg.wide .median[data-figure=serverCpuUs]',
        (found) => found.map((line) => Number((line as SVGElement).dataset['median'])),
      );
      expect(medians).toEqual(contestants.map(({ label }) => summaries[label]!['serverCpuUs']!.median));
    });

    test('the map shows each cell’s winner by pattern and by name', async () => {
      const cells = await page.$$eval('main > figure svg.wide g[data-winner]', (found) =>
        found.map((group) => ({
          winner: (group as SVGElement).dataset['winner'],
          fill: group.querySelector('rect')!.getAttribute('fill'),
          text: [...group.querySelectorAll('text')].map((text) => text.textContent),
        })),
      );
      expect(cells).toEqual([
        { winner: 'threads', fill: 'url(#p0)', text: ['threads', '1.25x'] },
        { winner: 'epoll', fill: 'url(#p1)', text: ['epoll', '~3.00x'] },
        { winner: '', fill: 'none', text: ['nobody', ''] },
        { winner: 'epoll', fill: 'url(#p1)', text: ['epoll', '14x'] },
      ]);
    });

    test('each chart has a name and its table, and obeys keys', async () => {
      const bare = await page.$$eval('figure', (figures) =>
        figures
          .filter(
            (figure) =>
              figure.querySelectorAll('details table tbody tr').length === 0 ||
              ![...figure.querySelectorAll('svg[role], .curve')].some((one) =>
                one.getAttribute('aria-label'),
              ),
          )
          .map((figure) => figure.textContent),
      );
      expect(bare).toEqual([]);
      const chart = page.locator('section[data-workload=echo] .curve').first();
      await chart.focus();
      await page.keyboard.press('Home');
      await page.keyboard.press('End');
      const told = page.locator('section[data-workload=echo] output').first();
      expect(await told.textContent()).toMatch(/^99\.\d+%: .*threads \d/);
      // A curve is hidden and shown by the key on its name.
      const name = page.locator('section[data-workload=echo] .u-legend th').nth(1);
      await name.focus();
      await page.keyboard.press('Enter');
      await vi.waitFor(async () => expect(await name.getAttribute('aria-pressed')).toBe('false'));
      await page.keyboard.press('Enter');
      await vi.waitFor(async () => expect(await name.getAttribute('aria-pressed')).toBe('true'));
    });

    test('fits a telephone and a sheet of paper; paper is light whatever the screen is', async () => {
      const small = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
      const look = () =>
        small.evaluate(() => ({
          overflow: document.documentElement.scrollWidth - innerWidth,
          paper: getComputedStyle(document.body).backgroundColor,
          wide: getComputedStyle(document.querySelector('svg.wide')!).display,
          narrow: getComputedStyle(document.querySelector('svg.narrow')!).display,
        }));
      expect(await look()).toEqual({ overflow: 0, paper: 'rgb(22, 24, 26)', wide: 'none', narrow: 'block' });
      for (const { width } of await chartsOf(small)) expect(width).toBeLessThanOrEqual(330);
      await small.emulateMedia({ media: 'print', colorScheme: 'dark' });
      await small.setViewportSize({ width: 700, height: 900 });
      await vi.waitFor(async () => {
        expect((await chartsOf(small)).map(({ width }) => width).filter((width) => width !== 660)).toEqual(
          [],
        );
      });
      expect(await look()).toEqual({
        overflow: 0,
        paper: 'rgb(255, 255, 255)',
        wide: 'block',
        narrow: 'none',
      });
      await small.close();
      expect(troubles).toEqual([]);
    });
  },
);
