// A report as JSON: readings as they are, 64-bit numbers as texts.

import type { PsList } from './list.js';
import type { PsReport } from './report.js';

/** One line, without its end. docs/ps.md has the schema. */
export function toJson(report: PsReport | PsList): string {
  return JSON.stringify(report, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
