import { type Compilable, sql } from "kysely";
import type { Engine } from "../engine.ts";
import { written } from "../statement.ts";

/**
 * Serial numbers and names are found in any case; how they are written is shown. Of those that differed in case alone one is found
 * from now on, the one in lower case or else the first; the others stay as they were written, and no new device gets them.
 */
export function foldedIdentities({ ddl, queries }: Pick<Engine, "ddl" | "queries">): readonly Compilable[] {
  return [
    ddl.schema.alterTable("identities").addColumn("shown", ddl.text),
    written(
      queries,
      sql`
        update identities set shown = value, value = lower(value)
        where kind in ('serial', 'name') and value <> lower(value)
          and not exists (
            select 1 from identities as other
            where other.tenant = identities.tenant and other.kind = identities.kind
              and lower(other.value) = lower(identities.value)
              and (other.value = lower(other.value) or other.value < identities.value)
          )`,
    ),
  ];
}
