import { type Compilable, sql } from "kysely";
import type { Engine } from "../engine.ts";
import { written } from "../statement.ts";
import { optional, table } from "./table.ts";

/**
 * Several generations of CAs for each tenant, certificates that are revoked, CRLs and profiles. The one generation that was
 * there becomes the first: its certificates get the suffix `-1`, its sealed keys keep the names that they are sealed for.
 */
export function certificateAuthorities({ ddl, queries }: Pick<Engine, "ddl" | "queries">): readonly Compilable[] {
  const { schema, text, integer, bytes } = ddl;
  const change = (statement: ReturnType<typeof sql>) => written(queries, statement);
  return [
    // A column becomes optional in every dialect by taking the place of the one before.
    schema.alterTable("authorities").renameColumn("key", "former_key"),
    schema.alterTable("authorities").addColumn("key", text),
    ...["role", "state", "origin"].map((name) =>
      schema.alterTable("authorities").addColumn(name, text, (column) => column.notNull().defaultTo("")),
    ),
    change(sql`
      update authorities
      set key = former_key, role = name, state = 'active', origin = 'own', name = name || '-1'`),
    change(sql`alter table authorities drop column former_key`),
    schema
      .createIndex("authorities_active")
      .on("authorities")
      .columns(["tenant", "role"])
      .unique()
      // One root leads, one CA issues; of the others there may be several.
      .where(sql<boolean>`state = 'active' and role in ('root', 'issuing')`),

    schema.alterTable("certificates").addColumn("revoked_at", integer),
    schema.alterTable("certificates").addColumn("revocation_reason", text),
    change(sql`update certificates set authority = authority || '-1'`),
    schema
      .createIndex("certificates_by_expiry")
      .on("certificates")
      .columns(["tenant", "not_after", "authority", "serial"]),
    schema.createIndex("certificates_by_serial").on("certificates").columns(["tenant", "serial", "authority"]),
    schema
      .createIndex("certificates_revoked")
      .on("certificates")
      .columns(["tenant", "authority", "serial"])
      .where(sql<boolean>`revoked_at is not null`),

    table(ddl, "crls", ["authority", "number"], {
      authority: text,
      number: integer,
      this_update: integer,
      next_update: integer,
      der: bytes,
    }),

    table(ddl, "profiles", ["name"], {
      name: text,
      protocol: optional(text),
      label: optional(text),
      settings: text,
    }).addUniqueConstraint("profiles_label", ["tenant", "protocol", "label"]),
  ];
}
