// The page of a crossover: every cell of its report stands in a map, where it belongs, as text that stays text.

import { expect, test } from 'vitest';
import { crossoverHtml, crossoverMaps, type CrossoverData } from '../../src/compare/html/crossover.js';

const cell = (
  connections: number,
  cpuUs: number,
  waitMs: number,
  winners: string[],
  by: string | null,
  margin: number,
) => ({
  ...{ connections, cpuUs, waitMs, heldOut: waitMs > 0 },
  verdict: { winners, by, margin, notServing: winners.includes('epoll') ? ['pool'] : [] },
});

const report: CrossoverData = {
  notices: ['<i>notice</i>'],
  verdict: ['epoll wins & threads lose'],
  cells: [
    cell(512, 0, 50, ['epoll'], 'throughput', 0.38),
    cell(1, 0, 0, ['threads', 'epoll'], null, 0),
    cell(1, 2000, 0, ['threads', 'pool'], 'p99 latency', 2),
    cell(64, 2000, 0, [], null, 0),
  ],
};

test('there is a map for each amount of work, its axes in order, and each cell says who wins by how much', () => {
  const [none, some, ...others] = crossoverMaps(report);
  expect(others).toEqual([]);
  expect(none).toMatchObject({ xs: ['1', '512'], ys: ['0 ms', '50 ms'] });
  expect(none!.cells).toEqual([
    {
      x: '512',
      y: '50 ms',
      winner: 'epoll',
      margin: 1.38,
      note: 'by throughput; leave some unserved: pool; held out of the law',
    },
    { x: '1', y: '0 ms', winner: 'no difference', margin: null, note: 'leave some unserved: pool' },
  ]);
  expect(some!.cells).toEqual([
    { x: '1', y: '0 ms', winner: 'pool+threads', margin: 3, by: 'p99', note: 'by p99 latency' },
    { x: '64', y: '0 ms', winner: null, margin: null, note: '' },
  ]);
});

test('what decided is named in the cell, unless it was throughput', () => {
  const page = crossoverHtml(report);
  expect(page).toContain('>1.38x<');
  expect(page).toContain('>3.00x p99<');
  expect(page).not.toContain('Curves: drag');
});

test('its sentences stand above the maps as text', () => {
  const page = crossoverHtml(report);
  expect(page).toContain('<li>&lt;i&gt;notice&lt;/i&gt;</li><li>epoll wins &amp; threads lose</li>');
  expect(page).not.toContain('<i>');
  expect(page.indexOf('epoll wins')).toBeLessThan(page.indexOf('Who wins, with 0 us'));
});
