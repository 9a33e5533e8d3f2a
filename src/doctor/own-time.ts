// How long the doctor itself kept the program's thread: to find the line of a handler for the first time takes long.

/** Shorter ones change nothing. */
const MS_MIN = 1;
/** The oldest go: whoever blocked is explained within a second or so. */
const KEPT_MAX = 64;

export class OwnTime {
  private readonly spans: { readonly beganMs: number; readonly endMs: number }[] = [];

  /** `now`: the monotonic clock of the spans that are asked about. */
  constructor(private readonly now: () => number) {}

  during(act: () => void): void {
    const beganMs = this.now();
    act();
    const endMs = this.now();
    if (endMs - beganMs < MS_MIN) return;
    this.spans.push({ beganMs, endMs });
    if (this.spans.length > KEPT_MAX) this.spans.shift();
  }

  /** Of that time, what lies within a span. */
  within({ beganMs, durationMs }: { readonly beganMs: number; readonly durationMs: number }): number {
    let sumMs = 0;
    for (const one of this.spans)
      sumMs += Math.max(0, Math.min(one.endMs, beganMs + durationMs) - Math.max(one.beganMs, beganMs));
    return sumMs;
  }
}
