// `compare echo` as text.

import type { Report } from '../report.js';
import { SATURATED_SHARE } from '../verdict.js';
import { formatCount } from './format.js';
import { figureTable, footing, heading } from './frame.js';

export function renderEcho(report: Report): string {
  const { settings } = report;
  const bound = Object.values(report.summaries).some(
    (of) => (of?.['serverCoreBusy']?.median ?? 1) < SATURATED_SHARE,
  );
  return [
    heading(
      report,
      `echo: ${formatCount(settings.connections)} connections, ${settings.payloadBytes} bytes, ${settings.depth} deep, closed loop`,
    ),
    '',
    figureTable(report, Object.keys(report.figures), bound ? { requestsPerSecond: ' *' } : {}),
    '',
    footing(report),
  ].join('\n');
}
