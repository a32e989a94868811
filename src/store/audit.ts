import { type Expression, sql } from "kysely";
import type { Write } from "../core/write.ts";
import { type AuditHead, brokenLink, emptyChain, lineHashSql } from "./audit-chain.ts";
import { decodeJson, encodeJson } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, maxPage, type Page, type PageRequest } from "./paging.ts";
import type { AuditEntry } from "./records.ts";
import type { AuditRow } from "./schema.ts";
import { compiled, guarded, prepared, write, written } from "./statement.ts";

export interface Audit {
  /** Adds the entry behind all others of its tenant; the store gives its sequence number and hash. Entries never change. */
  append(entry: Omit<AuditEntry, "sequence" | "hash">): Write;
  list(tenant: string, order: "newest-first" | "oldest-first", page: PageRequest): Promise<Page<AuditEntry>>;
  /** The newest line; undefined when there is none. */
  head(tenant: string): Promise<AuditHead | undefined>;
  /** The hash of a line; undefined when there is no such line. */
  hashAt(tenant: string, sequence: number): Promise<string | undefined>;
  /**
   * Checks at most `maxPage` lines behind `from`, which is believed: how far the chain holds, and the line at which it does
   * not. `done` when there are no further lines.
   */
  verify(tenant: string, from: AuditHead): Promise<AuditSection>;
}

export interface AuditSection {
  /** The last line that continues the chain. */
  readonly head: AuditHead;
  readonly done: boolean;
  readonly broken?: { readonly sequence: number; readonly kind: "missing" | "changed" };
}

export function auditIn(engine: Engine): Audit {
  const { queries } = engine;

  const append = prepared((entry: Omit<AuditRow, "sequence" | "hash">) => {
    const line = {
      tenant: text(entry.tenant),
      sequence: sql`coalesce(last.sequence, 0) + 1`,
      at: sql`cast(${entry.at} as bigint)`,
      actor: text(entry.actor),
      action: text(entry.action),
      subject: text(entry.subject),
      detail: text(entry.detail),
    };
    const { tenant, sequence, at, actor, action, subject, detail } = line;
    const hash = lineHashSql(engine.sha256, sql`coalesce(last.hash, ${sql.lit(emptyChain.hash)})`, line);
    return written(
      queries,
      sql`
        insert into audit (tenant, sequence, at, actor, action, subject, detail, hash)
        select ${tenant}, ${sequence}, ${at}, ${actor}, ${action}, ${subject}, ${detail}, ${hash}
        from (select 1 as line) as new left join
          (select sequence, hash from audit where tenant = ${tenant} order by sequence desc limit 1) as last on true`,
    );
  });

  const newest = prepared((p: { tenant: string }) =>
    queries
      .selectFrom("audit")
      .select(["sequence", "hash"])
      .where("tenant", "=", p.tenant)
      .orderBy("sequence", "desc")
      .limit(1),
  );

  const hashOf = prepared((p: { tenant: string; sequence: number }) =>
    queries.selectFrom("audit").select("hash").where("tenant", "=", p.tenant).where("sequence", "=", p.sequence),
  );

  const behind = prepared((p: { tenant: string; sequence: number }) =>
    queries
      .selectFrom("audit")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("sequence", ">", p.sequence)
      .orderBy("sequence")
      .limit(maxPage),
  );

  return {
    append: (entry) =>
      write(
        guarded(
          append({ ...entry, detail: encodeJson(entry.detail) }),
          "Another process wrote to the audit at the same time.",
        ),
      ),

    async list(tenant, order, request) {
      const page = cursor<[number]>(request, ["integer"]);
      const newestFirst = order === "newest-first";
      let query = queries
        .selectFrom("audit")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("sequence", newestFirst ? "desc" : "asc")
        .limit(page.rows);
      if (page.after) query = query.where("sequence", newestFirst ? "<" : ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.sequence], entryOf);
    },

    async head(tenant) {
      const [row] = await engine.read(newest({ tenant }));
      return row && { ...row };
    },

    async hashAt(tenant, sequence) {
      const [row] = await engine.read(hashOf({ tenant, sequence }));
      return row?.hash;
    },

    async verify(tenant, from) {
      const rows = await engine.read(behind({ tenant, sequence: from.sequence }));
      let head = from;
      for (const row of rows) {
        const kind = brokenLink(head, row);
        if (kind !== undefined) return { head, done: true, broken: { sequence: head.sequence + 1, kind } };
        head = { sequence: row.sequence, hash: row.hash };
      }
      return { head, done: rows.length < maxPage };
    },
  };
}

function text(value: string): Expression<unknown> {
  return sql`cast(${value} as text)`;
}

function entryOf(row: AuditRow): AuditEntry {
  return { ...row, detail: decodeJson(row.detail) };
}
