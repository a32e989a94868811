import type { Write } from "../core/write.ts";
import { decodeJson, encodeJson, withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { StoredProfile } from "./records.ts";
import type { ProfileRow } from "./schema.ts";
import { compiled, guarded, prepared, settingWrite } from "./statement.ts";

export interface Profiles {
  /** Adds the profile, or replaces the one of the same name. Guard: no other profile has its protocol and label. */
  put(profile: StoredProfile): Write;
  find(tenant: string, name: string): Promise<StoredProfile | undefined>;
  findByLabel(tenant: string, protocol: string, label: string): Promise<StoredProfile | undefined>;
  /** By name. */
  list(tenant: string, page: PageRequest): Promise<Page<StoredProfile>>;
  /** Guard: the profile exists. */
  remove(tenant: string, name: string): Write;
}

export function profilesIn(engine: Engine): Profiles {
  const { queries } = engine;

  const put = prepared((row: ProfileRow) =>
    queries
      .insertInto("profiles")
      .values({ tenant: row.tenant, name: row.name, protocol: row.protocol, label: row.label, settings: row.settings })
      .onConflict((conflict) =>
        conflict.columns(["tenant", "name"]).doUpdateSet((set) => ({
          protocol: set.ref("excluded.protocol"),
          label: set.ref("excluded.label"),
          settings: set.ref("excluded.settings"),
        })),
      ),
  );

  const find = prepared((p: { tenant: string; name: string }) =>
    queries.selectFrom("profiles").selectAll().where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const findByLabel = prepared((p: { tenant: string; protocol: string; label: string }) =>
    queries
      .selectFrom("profiles")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("protocol", "=", p.protocol)
      .where("label", "=", p.label),
  );

  const remove = prepared((p: { tenant: string; name: string }) =>
    queries.deleteFrom("profiles").where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  return {
    put({ tenant, name, protocol = null, label = null, settings }) {
      const row = { tenant, name, protocol, label, settings: encodeJson(settings) };
      return settingWrite(guarded(put(row), `Another profile has the label ${label} of ${protocol} already.`));
    },

    async find(tenant, name) {
      const [row] = await engine.read(find({ tenant, name }));
      return row && profileOf(row);
    },

    async findByLabel(tenant, protocol, label) {
      const [row] = await engine.read(findByLabel({ tenant, protocol, label }));
      return row && profileOf(row);
    },

    async list(tenant, request) {
      const page = cursor<[string]>(request, ["text"]);
      let query = queries
        .selectFrom("profiles")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("name")
        .limit(page.rows);
      if (page.after) query = query.where("name", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.name], profileOf);
    },

    remove: (tenant, name) => settingWrite(guarded(remove({ tenant, name }), `There is no profile ${name}.`)),
  };
}

function profileOf(row: ProfileRow): StoredProfile {
  return { ...withoutNulls(row), settings: decodeJson(row.settings) };
}
