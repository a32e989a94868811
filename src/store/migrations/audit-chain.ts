import { type Compilable, sql } from "kysely";
import { emptyChain, lineHashSql } from "../audit-chain.ts";
import type { Engine } from "../engine.ts";
import { written } from "../statement.ts";

/** Gives each line of the audit its hash, those that are there already in their order. */
export function auditChain({
  ddl,
  queries,
  sha256,
}: Pick<Engine, "ddl" | "queries" | "sha256">): readonly Compilable[] {
  const hashBehind = (before: "chain.hash" | undefined) =>
    lineHashSql(sha256, before === undefined ? sql.lit(emptyChain.hash) : sql.ref(before), {
      tenant: sql.ref("line.tenant"),
      sequence: sql.ref("line.sequence"),
      at: sql.ref("line.at"),
      actor: sql.ref("line.actor"),
      action: sql.ref("line.action"),
      subject: sql.ref("line.subject"),
      detail: sql.ref("line.detail"),
    });
  return [
    ddl.schema
      .alterTable("audit")
      .addColumn("hash", ddl.text, (column) => column.notNull().defaultTo(sql.lit(emptyChain.hash))),
    written(
      queries,
      sql`
        with recursive chain(tenant, sequence, hash) as (
          select line.tenant, line.sequence, ${hashBehind(undefined)} from audit as line where line.sequence = 1
          union all
          select line.tenant, line.sequence, ${hashBehind("chain.hash")}
          from chain join audit as line on line.tenant = chain.tenant and line.sequence = chain.sequence + 1
        )
        update audit set hash = chain.hash
        from chain where chain.tenant = audit.tenant and chain.sequence = audit.sequence`,
    ),
  ];
}
