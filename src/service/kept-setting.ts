import type { Clock } from "../core/clock.ts";
import type { Store } from "../store/store.ts";

export interface KeptSettingParts {
  readonly store: Pick<Store, "settingsChanges">;
  readonly clock: Pick<Clock, "monotonic">;
}

/**
 * What `read` answers of the settings of operators, kept in memory: what this process changes is seen by whoever asks after
 * the commit, and what another process changed a second later. All who ask during a reading share it.
 */
export function keptSetting<T>({ store, clock }: KeptSettingParts, read: () => Promise<T>): () => Promise<T> {
  let kept: Reading<T> | undefined;
  return () => {
    const changes = store.settingsChanges();
    const now = clock.monotonic();
    if (kept !== undefined && kept.changes === changes && now < kept.until) return kept.answer;
    const reading = { changes, until: now + longestUnseen, answer: read() };
    kept = reading;
    // The next to ask tries again.
    reading.answer.catch(() => {
      if (kept === reading) kept = undefined;
    });
    return reading.answer;
  };
}

interface Reading<T> {
  readonly changes: number;
  readonly until: number;
  readonly answer: Promise<T>;
}

/** Milliseconds until a change by another process is seen. */
const longestUnseen = 1000;
