import type { CreateTableBuilder } from "kysely";
import type { ColumnType, Ddl } from "../engine.ts";

/** A table of records: each carries its tenant, which must exist and is the first part of the primary key. */
export function table(
  ddl: Ddl,
  name: string,
  key: readonly string[],
  columns: Columns,
): CreateTableBuilder<string, string> {
  let builder: CreateTableBuilder<string, string> = ddl
    .table(name)
    .addColumn("tenant", ddl.text, (column) => column.notNull());
  for (const [column, type] of Object.entries(columns)) {
    builder =
      "optional" in type
        ? builder.addColumn(column, type.optional)
        : builder.addColumn(column, type, (definition) => definition.notNull());
  }
  return builder
    .addPrimaryKeyConstraint(`${name}_key`, ["tenant", ...key])
    .addForeignKeyConstraint(`${name}_tenant`, ["tenant"], "tenants", ["tenant"]);
}

/** A column that may be NULL. */
export function optional(type: ColumnType): Optional {
  return { optional: type };
}

type Columns = Readonly<Record<string, ColumnType | Optional>>;

interface Optional {
  readonly optional: ColumnType;
}
