import type { Compilable } from "kysely";
import type { Engine } from "../engine.ts";
import { table } from "./table.ts";

/** A count of what was revoked and taken back, so that a CRL can say whether it is still the whole truth. */
export function revocationChanges({ ddl }: Pick<Engine, "ddl">): readonly Compilable[] {
  const { schema, text, integer } = ddl;
  return [
    table(ddl, "revocation_changes", ["authority"], { authority: text, changes: integer }),
    schema.alterTable("crls").addColumn("changes", integer, (column) => column.notNull().defaultTo(0)),
  ];
}
