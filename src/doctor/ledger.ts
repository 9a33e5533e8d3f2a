// Keeps what was found: one entry for each mistake, however often it shows, told when it is new.

import type { Draft, Finding, FoundHandler, HandlerHint } from './finding.js';

/** More than anybody reads; a program with more mistakes has them of few kinds. */
export const FINDINGS_MAX = 200;

export interface Loop {
  readonly name: string;
  readonly poller: string;
  /** The turn now, and when the loop was first seen, on its clock. */
  readonly turn: number;
  readonly beganMs: number;
}

export class Ledger {
  private readonly byKey = new Map<string, Finding>();
  private readonly changed = new Set<string>();
  /** Mistakes beyond {@link FINDINGS_MAX}. */
  lost = 0;

  constructor(
    private readonly describe: (hint: HandlerHint | null) => FoundHandler | null,
    private readonly tell: (finding: Finding) => void,
  ) {}

  add(loop: Loop, draft: Draft): void {
    const key = `${loop.name} ${draft.class} ${draft.key}`;
    const known = this.byKey.get(key);
    if (known !== undefined) {
      const { message, evidence, severity } = draft;
      this.byKey.set(key, { ...known, times: known.times + 1, message, evidence, severity });
      this.changed.add(key);
      return;
    }
    if (this.byKey.size >= FINDINGS_MAX) {
      this.lost++;
      return;
    }
    const finding: Finding = {
      number: this.byKey.size + 1,
      class: draft.class,
      cause: draft.cause ?? null,
      severity: draft.severity,
      loop: loop.name,
      poller: loop.poller,
      fd: draft.fd,
      handler: this.describe(draft.handler),
      turn: loop.turn,
      sinceMs: Math.max(0, Math.round((draft.sinceMs - loop.beganMs) * 10) / 10),
      times: 1,
      message: draft.message,
      evidence: draft.evidence,
      remedy: draft.remedy,
    };
    this.byKey.set(key, finding);
    this.tell(finding);
  }

  /** Those that have shown again since they were told. */
  *takeChanged(): Generator<Finding> {
    for (const key of this.changed) yield this.byKey.get(key) as Finding;
    this.changed.clear();
  }

  get findings(): Finding[] {
    return [...this.byKey.values()];
  }
}
