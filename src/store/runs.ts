import type { Write } from "../core/write.ts";
import { withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { DeviceLedger, RunOutcome, RunSummary, StoredRun } from "./records.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Runs {
  /** Inserts the run, or updates it while it is waiting. Guard: a run that has ended never changes. */
  save(run: StoredRun): Write;
  find(tenant: string, id: string): Promise<StoredRun | undefined>;
  /** Without their events, the newest first by start; each filter that is given must match. */
  list(tenant: string, filter: RunFilter, page: PageRequest): Promise<Page<RunSummary>>;
  /** Keeps what the device recorded of the same run, or replaces it. Guard: the run exists. */
  putDeviceLedger(ledger: DeviceLedger): Write;
  deviceLedger(tenant: string, run: string): Promise<DeviceLedger | undefined>;
  /**
   * Ends runs that wait since they started before `startedBefore`, 1,000 at most, as `failed` with a coded `reason`. The
   * events of such a run stay as they were when it began to wait.
   */
  endWaiting(tenant: string, startedBefore: number, ended: number, reason: string): Write;
  /** Deletes runs that ended before `time`, 1,000 at most: call it again and again. */
  removeEndedBefore(tenant: string, time: number): Write;
  /** Deletes refused runs but the newest `keep`, 1,000 at most, so that refusals that anybody can cause stay bounded. */
  trimRefused(tenant: string, keep: number): Write;
}

export interface RunFilter {
  readonly device?: string;
  readonly outcome?: RunOutcome;
  readonly protocol?: string;
}

export function runsIn(engine: Engine): Runs {
  const { queries } = engine;

  const save = prepared((run: StoredRun) =>
    queries
      .insertInto("runs")
      .values({
        tenant: run.tenant,
        id: run.id,
        protocol: run.protocol,
        variant: run.variant,
        device: run.device ?? null,
        label: run.label,
        started: run.started,
        ended: run.ended ?? null,
        outcome: run.outcome,
        reason: run.reason,
        run: run.run,
      })
      .onConflict((conflict) =>
        conflict
          .columns(["tenant", "id"])
          .doUpdateSet((set) => ({
            variant: set.ref("excluded.variant"),
            device: set.ref("excluded.device"),
            label: set.ref("excluded.label"),
            ended: set.ref("excluded.ended"),
            outcome: set.ref("excluded.outcome"),
            reason: set.ref("excluded.reason"),
            run: set.ref("excluded.run"),
          }))
          .where("runs.outcome", "=", "waiting"),
      ),
  );

  const find = prepared((p: { tenant: string; id: string }) =>
    queries.selectFrom("runs").selectAll().where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  const putDeviceLedger = prepared((p: DeviceLedger) =>
    queries
      .insertInto("device_ledgers")
      .values({ tenant: p.tenant, run: p.run, ledger: p.ledger })
      .onConflict((conflict) =>
        conflict.columns(["tenant", "run"]).doUpdateSet((set) => ({ ledger: set.ref("excluded.ledger") })),
      ),
  );

  const deviceLedger = prepared((p: { tenant: string; run: string }) =>
    queries.selectFrom("device_ledgers").selectAll().where("tenant", "=", p.tenant).where("run", "=", p.run),
  );

  const endWaiting = prepared((p: { tenant: string; startedBefore: number; ended: number; reason: string }) =>
    queries
      .updateTable("runs")
      .set({ outcome: "failed", ended: p.ended, reason: p.reason })
      .where("tenant", "=", p.tenant)
      .where("id", "in", (eb) =>
        eb
          .selectFrom("runs as waiting")
          .select("waiting.id")
          .where("waiting.tenant", "=", p.tenant)
          .where("waiting.outcome", "=", "waiting")
          .where("waiting.started", "<", p.startedBefore)
          .limit(changedAtOnce),
      ),
  );

  const removeEndedBefore = prepared((p: { tenant: string; time: number }) =>
    queries
      .deleteFrom("runs")
      .where("tenant", "=", p.tenant)
      .where("id", "in", (eb) =>
        eb
          .selectFrom("runs as old")
          .select("old.id")
          .where("old.tenant", "=", p.tenant)
          // A run ends after it started, and runs are indexed by their start.
          .where("old.started", "<", p.time)
          .where("old.ended", "<", p.time)
          .orderBy("old.started")
          .orderBy("old.id")
          .limit(changedAtOnce),
      ),
  );

  const trimRefused = prepared((p: { tenant: string; keep: number }) =>
    queries
      .deleteFrom("runs")
      .where("tenant", "=", p.tenant)
      .where("id", "in", (eb) =>
        eb
          .selectFrom("runs as refused")
          .select("refused.id")
          .where("refused.tenant", "=", p.tenant)
          .where("refused.outcome", "=", "refused")
          .orderBy("refused.started", "desc")
          .orderBy("refused.id", "desc")
          .limit(changedAtOnce)
          .offset(p.keep),
      ),
  );

  return {
    save: (run) => write(guarded(save(run), `The run ${run.id} has ended already.`)),

    async find(tenant, id) {
      const [row] = await engine.read(find({ tenant, id }));
      return row && withoutNulls(row);
    },

    putDeviceLedger: (ledger) => write(guarded(putDeviceLedger(ledger), `There is no run ${ledger.run}.`)),

    async deviceLedger(tenant, run) {
      const [row] = await engine.read(deviceLedger({ tenant, run }));
      return row && { ...row };
    },

    async list(tenant, filter, request) {
      const page = cursor<[number, string]>(request, ["integer", "text"]);
      let query = queries
        .selectFrom("runs")
        .select(summaryColumns)
        .where("tenant", "=", tenant)
        .orderBy("started", "desc")
        .orderBy("id", "desc")
        .limit(page.rows);
      if (filter.device !== undefined) query = query.where("device", "=", filter.device);
      if (filter.outcome !== undefined) query = query.where("outcome", "=", filter.outcome);
      if (filter.protocol !== undefined) query = query.where("protocol", "=", filter.protocol);
      const { after } = page;
      if (after) query = query.where(({ eb, refTuple, tuple }) => eb(refTuple("started", "id"), "<", tuple(...after)));
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.started, row.id], withoutNulls);
    },

    endWaiting: (tenant, startedBefore, ended, reason) => write(endWaiting({ tenant, startedBefore, ended, reason })),

    removeEndedBefore: (tenant, time) => write(removeEndedBefore({ tenant, time })),

    trimRefused: (tenant, keep) => write(trimRefused({ tenant, keep })),
  };
}

const summaryColumns = [
  "tenant",
  "id",
  "protocol",
  "variant",
  "device",
  "label",
  "started",
  "ended",
  "outcome",
  "reason",
] as const;

/** What one housekeeping statement may hold up the thread for. */
const changedAtOnce = 1_000;
