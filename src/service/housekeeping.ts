import type { Clock } from "../core/clock.ts";
import { waitingLifetime } from "../protocols/est/index.ts";
import type { Store } from "../store/store.ts";
import type { AuditHeads } from "./audit-heads.ts";
import type { ClockWatch } from "./clock-watch.ts";

export interface HousekeepingOptions {
  readonly store: Store;
  readonly tenants: readonly string[];
  readonly clock: Clock;
  readonly auditHeads: Pick<AuditHeads, "note">;
  /** Keeps the listeners' certificates from ending. */
  readonly renewCredentials: () => Promise<void>;
  readonly watch: ClockWatch;
  /** Told of a pass that failed; the next one tries again. Must not throw. */
  readonly onError: (error: unknown) => void;
}

/** Runs `cleanUp`, notes where the audits stand and renews the listeners' certificates every ten seconds until it is stopped. */
export function startHousekeeping(options: HousekeepingOptions): { readonly stop: () => void } {
  const stopped = new AbortController();
  const { signal } = stopped;
  const loop = async () => {
    while (!signal.aborted) {
      try {
        await options.clock.sleep(interval, signal);
        await cleanUp(options, signal);
        await options.auditHeads.note();
        await options.renewCredentials();
      } catch (error) {
        if (!signal.aborted) options.onError(error);
      }
    }
  };
  void loop();
  return { stop: () => stopped.abort() };
}

/**
 * Ends what has waited for a decision too long, and removes what nobody needs any more: expired sessions, old runs and
 * approvals, the oldest of too many refusals. A little at a time with pauses, so that no request waits long; what a pass
 * leaves is for the next one. While the clock is not to be believed, only what does not depend on it. Throws what the store
 * throws, and the signal's reason.
 */
export async function cleanUp(
  { store, tenants, clock, watch }: Omit<HousekeepingOptions, "onError" | "auditHeads" | "renewCredentials">,
  signal?: AbortSignal,
): Promise<void> {
  const now = clock.now();
  const aged = [
    store.sessions.removeExpired(now),
    ...tenants.flatMap((tenant) => [
      store.approvals.expire(tenant, now - waitingLifetime),
      store.runs.endWaiting(tenant, now - waitingLifetime - longestAssociation, now, "expired"),
      store.approvals.removeEndedBefore(tenant, now - retention),
      store.runs.removeEndedBefore(tenant, now - retention),
    ]),
  ];
  const counted = tenants.map((tenant) => store.runs.trimRefused(tenant, refusedRuns));
  const changes = watch.steady() ? [...aged, ...counted] : counted;
  for (const change of changes)
    for (let round = 0; round < mostRounds && (await store.cleanUp(change)) > 0; round += 1)
      await clock.sleep(pause, signal);
}

const interval = 10_000;
/** Longer than one round takes, so that requests have the thread most of the time. */
const pause = 20;
/** Of 1,000 records each: ten times what strangers can cause in one interval, and over in a few seconds. */
const mostRounds = 60;
const retention = 400 * 24 * 3600 * 1000;
/** Anybody can cause a refusal: the newest are kept to be explained. */
const refusedRuns = 10_000;
/** A run starts with its association, which can be this much older than the session that waits. */
const longestAssociation = 24 * 3600 * 1000;
