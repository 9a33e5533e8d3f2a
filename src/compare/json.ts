// A report as one line of JSON: docs/compare.md is its schema.

/** Times of probes are 64-bit integers of nanoseconds; as numbers they are exact for 104 days since boot. */
export function toJson(report: object): string {
  return `${JSON.stringify(report, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))}\n`;
}
