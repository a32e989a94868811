import { type Compilable, sql } from "kysely";
import type { Engine } from "../engine.ts";

/** Makes room for the data keys of the vault. They belong to the whole service: they seal for every tenant. */
export function vaultKeys({ ddl }: Pick<Engine, "ddl">): readonly Compilable[] {
  const { text, integer, bytes } = ddl;
  return [
    ddl
      .table("vault_keys")
      .addColumn("id", text, (column) => column.notNull().primaryKey())
      .addColumn("state", text, (column) => column.notNull())
      .addColumn("key_file", text, (column) => column.notNull())
      .addColumn("wrapped", bytes, (column) => column.notNull())
      .addColumn("created", integer, (column) => column.notNull()),
    ddl.schema
      .createIndex("vault_keys_current")
      .on("vault_keys")
      .column("state")
      .unique()
      // Two services that began at the same time would each seal with a key that the other does not know.
      .where("state", "=", "current"),
    // The data key's id stands in the first octets of a seal: what is still sealed with a key is found without a scan.
    ddl.schema.createIndex("sealed_keys_by_seal").on("sealed_keys").expression(sql`substr("sealed", 1, 9)`),
    ddl.schema.createIndex("sessions_by_seal").on("sessions").expression(sql`substr("data", 1, 9)`),
  ];
}
