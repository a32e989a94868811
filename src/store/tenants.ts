import type { Write } from "../core/write.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { Tenant } from "./records.ts";
import { compiled, prepared, settingWrite, write } from "./statement.ts";

export interface Tenants {
  /** Makes the tenant exist; an existing one keeps its `created`. */
  ensure(tenant: Tenant): Write;
  /** By name. */
  list(page: PageRequest): Promise<Page<Tenant>>;
  /** Deletes the tenant and every record that carries it, keys and audit included; nothing when there is no such tenant. */
  remove(tenant: string): Write;
}

export function tenantsIn(engine: Engine): Tenants {
  const { queries } = engine;

  const insert = prepared((tenant: Tenant) =>
    queries
      .insertInto("tenants")
      .values({ tenant: tenant.tenant, created: tenant.created })
      .onConflict((conflict) => conflict.column("tenant").doNothing()),
  );

  const removals = everyTable.map((table) =>
    prepared((p: { tenant: string }) => queries.deleteFrom(table).where("tenant", "=", p.tenant)),
  );

  return {
    ensure: (tenant) => write(insert(tenant)),

    async list(request) {
      const page = cursor<[string]>(request, ["text"]);
      let query = queries.selectFrom("tenants").selectAll().orderBy("tenant").limit(page.rows);
      if (page.after) query = query.where("tenant", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(
        rows,
        (row) => [row.tenant],
        (row) => ({ ...row }),
      );
    },

    remove: (tenant) => settingWrite(...removals.map((remove) => remove({ tenant }))),
  };
}

/** Every table that carries a tenant; one that refers to another stands before it. */
const everyTable = [
  "identities",
  "devices",
  "anchors",
  "rules",
  "approvals",
  "est_users",
  "sealed_keys",
  "authorities",
  "certificates",
  "crls",
  "revocation_changes",
  "profiles",
  "sessions",
  "device_ledgers",
  "runs",
  "audit",
  "tenants",
] as const;
