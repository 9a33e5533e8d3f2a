// `compare idle` as text: the price list of one connection, what the bill says, and how the active ones fared.

import type { Report } from '../report.js';
import { formatCount } from './format.js';
import { figureTable, footing, heading } from './frame.js';

export function renderIdle(report: Report): string {
  const { settings } = report;
  const quiet = settings.connections - Math.min(settings.actives, settings.connections);
  return [
    heading(
      report,
      `idle: ${formatCount(quiet)} idle connections, ${formatCount(settings.connections - quiet)} active among them`,
    ),
    '',
    'Who is served',
    figureTable(report, ['connected', 'accepted', 'serving', 'refused', 'threads', 'processThreads']),
    '',
    'What one connection costs, KiB',
    figureTable(report, [
      'user',
      'kernelStacks',
      'pageTables',
      'threadSlabs',
      'socketSlabs',
      'fileSlabs',
      'rest',
      'total',
      'virtual',
      'clientUser',
    ]),
    '',
    'Held against the drop in free memory, whole machine',
    figureTable(report, [
      'billBytes',
      'dropBytes',
      'unexplainedBytes',
      'toleranceBytes',
      'elsewhereBytes',
      'availableDropBytes',
      'virtualTotal',
    ]),
    '',
    'While nobody speaks, and for the few that do (us)',
    figureTable(report, [
      'idleCpuMs',
      'idleSwitches',
      'activeAnswered',
      'activeTimedOut',
      'activeP50Us',
      'activeP99Us',
    ]),
    '',
    footing(report),
  ].join('\n');
}
