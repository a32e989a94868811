import type { Logger } from "pino";
import type { Clock } from "../core/clock.ts";
import type { Store } from "../store/store.ts";

/** Removes what nobody needs any more, a little at a time: expired sessions, old runs, the oldest of too many refusals. */
export function startHousekeeping(
  store: Store,
  tenants: readonly string[],
  clock: Clock,
  log: Logger,
): { readonly stop: () => void } {
  const stopped = new AbortController();
  const loop = async () => {
    for (;;) {
      await clock.sleep(interval, stopped.signal);
      const now = clock.now();
      try {
        await store.commit([
          store.sessions.removeExpired(now),
          ...tenants.flatMap((tenant) => [
            store.runs.removeEndedBefore(tenant, now - runRetention),
            store.runs.trimRefused(tenant, refusedRuns),
          ]),
        ]);
      } catch (error) {
        log.error({ err: error }, "housekeeping failed; it is tried again");
      }
    }
  };
  loop().catch((error: unknown) => {
    if (!stopped.signal.aborted) log.error({ err: error }, "housekeeping ended");
  });
  return { stop: () => stopped.abort() };
}

const interval = 10_000;
const runRetention = 400 * 24 * 3600 * 1000;
/** Anybody can cause a refusal: the newest are kept to be explained. */
const refusedRuns = 10_000;
