// The figures of a comparison as comma-separated values: one line for each figure of each cell.

import type { Report } from './report.js';

const HEADING = 'workload,round,model,figure,unit,value,failure';

/** A field in quotes where it needs them (RFC 4180). */
export function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(report: Report): string {
  const lines = [HEADING];
  const add = (...fields: (string | number)[]): void => void lines.push(fields.map(field).join(','));
  for (const { round, contestant, figures, failure } of report.cells) {
    for (const [name, value] of Object.entries(figures)) {
      if (value === undefined) continue;
      add(
        report.settings.workload,
        round,
        contestant,
        name,
        report.figures[name]?.unit ?? '',
        value,
        failure ?? '',
      );
    }
    if (failure !== null && Object.keys(figures).length === 0) {
      add(report.settings.workload, round, contestant, '', '', '', failure);
    }
  }
  return `${lines.join('\n')}\n`;
}
