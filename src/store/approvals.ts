import { sql } from "kysely";
import type { Write } from "../core/write.ts";
import { decodeJson, encodeJson, withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { Approval } from "./records.ts";
import type { ApprovalRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Approvals {
  /** Guard: no pending or approved approval of the same protocol and subject, and none with this id. */
  insert(approval: Approval): Write;
  find(tenant: string, id: string): Promise<Approval | undefined>;
  /** The open (pending or approved) approval of the session `subject` of `protocol`; when there is none, its latest. */
  findBySubject(tenant: string, protocol: string, subject: string): Promise<Approval | undefined>;
  /** The open approval that `run` waits for; when there is none, the latest that it waited for. */
  findByRun(tenant: string, run: string): Promise<Approval | undefined>;
  /** Those that wait for a person, the oldest first. */
  pending(tenant: string, page: PageRequest): Promise<Page<Approval>>;
  /** How many wait for a person. */
  countPending(tenant: string): Promise<number>;
  /** Guard: the approval is still pending. Does not check who may decide. */
  decide(tenant: string, id: string, decision: Decision): Write;
  /** Uses an approval up, so that it grants one thing once. Guard: it is approved and not used yet. */
  use(tenant: string, id: string): Write;
  /** Ends an approval that nobody asks for any more as `expired`. Guard: it is still pending or approved. */
  withdraw(tenant: string, id: string): Write;
  /** Ends pending and approved ones that were created before `time` as `expired`, 1,000 at most: call it again and again. */
  expire(tenant: string, time: number): Write;
  /** Deletes those that are not open any more and were created and decided before `time`, 1,000 at most. */
  removeEndedBefore(tenant: string, time: number): Write;
}

export interface Decision {
  readonly state: "approved" | "denied";
  readonly decided: number;
  readonly decidedBy: string;
}

export function approvalsIn(engine: Engine): Approvals {
  const { queries } = engine;

  const insert = prepared((approval: ApprovalRow) =>
    queries.insertInto("approvals").values({
      tenant: approval.tenant,
      id: approval.id,
      protocol: approval.protocol,
      subject: approval.subject,
      evidence: approval.evidence,
      state: approval.state,
      run: approval.run,
      created: approval.created,
      decided: approval.decided,
      decided_by: approval.decided_by,
    }),
  );

  const find = prepared((p: { tenant: string; id: string }) =>
    queries.selectFrom("approvals").selectAll().where("tenant", "=", p.tenant).where("id", "=", p.id),
  );

  // By the state first: when the clock was set back, an ended approval can look later than the open one.
  const findBySubject = prepared((p: { tenant: string; protocol: string; subject: string }) => {
    const ofSubject = queries
      .selectFrom("approvals as other")
      .select("other.id")
      .where("other.tenant", "=", p.tenant)
      .where("other.protocol", "=", p.protocol)
      .where("other.subject", "=", p.subject);
    return queries
      .selectFrom("approvals")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("id", "=", ({ fn }) =>
        fn.coalesce(
          ofSubject.where("other.state", "in", open).limit(1),
          ofSubject.orderBy("other.created", "desc").orderBy("other.id", "desc").limit(1),
        ),
      );
  });

  const findByRun = prepared((p: { tenant: string; run: string }) =>
    queries
      .selectFrom("approvals")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("run", "=", p.run)
      .orderBy((eb) => eb("state", "in", open), "desc")
      .orderBy("created", "desc")
      .orderBy("id", "desc")
      .limit(1),
  );

  const countPending = prepared((p: { tenant: string }) =>
    queries
      .selectFrom("approvals")
      .select(({ fn }) => fn.countAll<number | bigint | string>().as("count"))
      .where("tenant", "=", p.tenant)
      .where("state", "=", "pending"),
  );

  const use = prepared((p: { readonly tenant: string; readonly id: string }) =>
    queries
      .updateTable("approvals")
      .set({ state: "used" })
      .where("tenant", "=", p.tenant)
      .where("id", "=", p.id)
      .where("state", "=", "approved"),
  );

  const decide = prepared((p: Decision & { readonly tenant: string; readonly id: string }) =>
    queries
      .updateTable("approvals")
      .set({ state: p.state, decided: p.decided, decided_by: p.decidedBy })
      .where("tenant", "=", p.tenant)
      .where("id", "=", p.id)
      .where("state", "=", "pending"),
  );

  const withdraw = prepared((p: { readonly tenant: string; readonly id: string }) =>
    queries
      .updateTable("approvals")
      .set({ state: "expired" })
      .where("tenant", "=", p.tenant)
      .where("id", "=", p.id)
      .where("state", "in", open),
  );

  const expire = prepared((p: { tenant: string; time: number }) =>
    queries
      .updateTable("approvals")
      .set({ state: "expired" })
      .where("tenant", "=", p.tenant)
      .where("id", "in", (eb) =>
        eb
          .selectFrom("approvals as old")
          .select("old.id")
          .where("old.tenant", "=", p.tenant)
          .where("old.state", "in", open)
          .where("old.created", "<", p.time)
          .limit(changedAtOnce),
      ),
  );

  const removeEndedBefore = prepared((p: { tenant: string; time: number }) =>
    queries
      .deleteFrom("approvals")
      .where("tenant", "=", p.tenant)
      .where("id", "in", (eb) =>
        eb
          .selectFrom("approvals as old")
          .select("old.id")
          .where("old.tenant", "=", p.tenant)
          .where("old.state", "in", ended)
          .where("old.created", "<", p.time)
          .where((old) => old.or([old("old.decided", "is", null), old("old.decided", "<", p.time)]))
          .limit(changedAtOnce),
      ),
  );

  return {
    insert({ decided, decidedBy, ...approval }) {
      const row = {
        ...approval,
        evidence: encodeJson(approval.evidence),
        decided: decided ?? null,
        decided_by: decidedBy ?? null,
      };
      return write(guarded(insert(row), "An approval for this session exists already."));
    },

    async find(tenant, id) {
      const [row] = await engine.read(find({ tenant, id }));
      return row && approvalOf(row);
    },

    async findBySubject(tenant, protocol, subject) {
      const [row] = await engine.read(findBySubject({ tenant, protocol, subject }));
      return row && approvalOf(row);
    },

    async findByRun(tenant, run) {
      const [row] = await engine.read(findByRun({ tenant, run }));
      return row && approvalOf(row);
    },

    async countPending(tenant) {
      const [row] = await engine.read(countPending({ tenant }));
      return Number(row?.count ?? 0);
    },

    async pending(tenant, request) {
      const page = cursor<[number, string]>(request, ["integer", "text"]);
      let query = queries
        .selectFrom("approvals")
        .selectAll()
        .where("tenant", "=", tenant)
        .where("state", "=", "pending")
        .orderBy("created")
        .orderBy("id")
        .limit(page.rows);
      const { after } = page;
      if (after) query = query.where(({ eb, refTuple, tuple }) => eb(refTuple("created", "id"), ">", tuple(...after)));
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.created, row.id], approvalOf);
    },

    decide: (tenant, id, decision) =>
      write(guarded(decide({ tenant, id, ...decision }), `The approval ${id} is not pending any more.`)),

    use: (tenant, id) => write(guarded(use({ tenant, id }), `The approval ${id} was used or withdrawn already.`)),

    withdraw: (tenant, id) => write(guarded(withdraw({ tenant, id }), `The approval ${id} is not open any more.`)),

    expire: (tenant, time) => write(expire({ tenant, time })),

    removeEndedBefore: (tenant, time) => write(removeEndedBefore({ tenant, time })),
  };
}

function approvalOf(row: ApprovalRow): Approval {
  const { evidence, decided_by: decidedBy, ...rest } = row;
  return { ...withoutNulls(rest), evidence: decodeJson(evidence), ...(decidedBy === null ? {} : { decidedBy }) };
}

// Literals, not parameters: only then can SQLite see that the partial index of open approvals holds them all.
const literals = (...states: readonly Approval["state"][]) => states.map((state) => sql.lit(state));
const open = literals("pending", "approved");
const ended = literals("denied", "used", "expired");

/** What one housekeeping statement may hold up the thread for. */
const changedAtOnce = 1_000;
