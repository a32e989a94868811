import type { Write } from "../core/write.ts";
import { decodeJson, encodeJson } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { AuditEntry } from "./records.ts";
import type { AuditRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Audit {
  /** Adds the entry behind all others of its tenant; the store gives its sequence number. Entries never change. */
  append(entry: Omit<AuditEntry, "sequence">): Write;
  list(tenant: string, order: "newest-first" | "oldest-first", page: PageRequest): Promise<Page<AuditEntry>>;
}

export function auditIn(engine: Engine): Audit {
  const { queries } = engine;

  const append = prepared((entry: Omit<AuditRow, "sequence">) =>
    queries.insertInto("audit").values((eb) => ({
      tenant: entry.tenant,
      sequence: eb
        .selectFrom("audit as other")
        .select(({ fn, val }) => eb(fn.coalesce(fn.max("other.sequence"), val(0)), "+", 1).as("sequence"))
        .where("other.tenant", "=", entry.tenant),
      at: entry.at,
      actor: entry.actor,
      action: entry.action,
      subject: entry.subject,
      detail: entry.detail,
    })),
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
  };
}

function entryOf(row: AuditRow): AuditEntry {
  return { ...row, detail: decodeJson(row.detail) };
}
