import type { Write } from "../core/write.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { EstUser } from "./records.ts";
import type { EstUserRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface EstUsers {
  /** Adds the user, or replaces the one of the same name. */
  put(user: EstUser): Write;
  find(tenant: string, name: string): Promise<EstUser | undefined>;
  /** By name. */
  list(tenant: string, page: PageRequest): Promise<Page<EstUser>>;
  /** Guard: the user exists. */
  remove(tenant: string, name: string): Write;
}

export function estUsersIn(engine: Engine): EstUsers {
  const { queries } = engine;

  const put = prepared((user: EstUser) =>
    queries
      .insertInto("est_users")
      .values({
        tenant: user.tenant,
        name: user.name,
        password_hash: user.passwordHash,
        devices: user.devices,
        created: user.created,
      })
      .onConflict((conflict) =>
        conflict.columns(["tenant", "name"]).doUpdateSet((set) => ({
          password_hash: set.ref("excluded.password_hash"),
          devices: set.ref("excluded.devices"),
          created: set.ref("excluded.created"),
        })),
      ),
  );

  const find = prepared((p: { tenant: string; name: string }) =>
    queries.selectFrom("est_users").selectAll().where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const remove = prepared((p: { tenant: string; name: string }) =>
    queries.deleteFrom("est_users").where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  return {
    put: (user) => write(put(user)),

    async find(tenant, name) {
      const [row] = await engine.read(find({ tenant, name }));
      return row && estUserOf(row);
    },

    async list(tenant, request) {
      const page = cursor<[string]>(request, ["text"]);
      let query = queries
        .selectFrom("est_users")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("name")
        .limit(page.rows);
      if (page.after) query = query.where("name", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.name], estUserOf);
    },

    remove: (tenant, name) => write(guarded(remove({ tenant, name }), `There is no EST user ${name}.`)),
  };
}

function estUserOf({ password_hash: passwordHash, ...row }: EstUserRow): EstUser {
  return { ...row, passwordHash };
}
