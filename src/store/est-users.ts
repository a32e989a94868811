import type { Write } from "../core/write.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import { type DigestAlgorithm, type DigestSecret, digestAlgorithms, type EstUser } from "./records.ts";
import type { EstUserRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface EstUsers {
  /** Adds the user, or replaces the one of the same name and all its digest secrets. Does not check that they are sealed. */
  put(user: EstUser, digests?: readonly DigestSecret[]): Write;
  find(tenant: string, name: string): Promise<EstUser | undefined>;
  /** By name. */
  list(tenant: string, page: PageRequest): Promise<Page<EstUser>>;
  /** For which algorithms there is a digest secret at all, the strongest first. */
  digestAlgorithms(tenant: string): Promise<readonly DigestAlgorithm[]>;
  /** Removes the digest secrets too. Guard: the user exists. */
  remove(tenant: string, name: string): Write;
}

/** Under this name of a sealed key the digest secret of a user is kept, so that a new key of the vault seals it anew. */
export function digestSecretName(algorithm: DigestAlgorithm, user: string): string {
  return `est-digest-${algorithm}/${user}`;
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

  const addSecret = prepared((p: { tenant: string; name: string; sealed: Uint8Array }) =>
    queries.insertInto("sealed_keys").values({ tenant: p.tenant, name: p.name, sealed: p.sealed }),
  );

  const anySecret = prepared((p: { tenant: string; names: string; one: number }) =>
    queries
      .selectFrom("sealed_keys")
      .select("name")
      .where("tenant", "=", p.tenant)
      .where("name", "like", p.names)
      .limit(p.one),
  );

  const removeSecret = prepared((p: { tenant: string; name: string }) =>
    queries.deleteFrom("sealed_keys").where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const withoutSecrets = (tenant: string, user: string) =>
    digestAlgorithms.map((algorithm) => removeSecret({ tenant, name: digestSecretName(algorithm, user) }));

  return {
    put: (user, digests = []) =>
      write(
        put(user),
        ...withoutSecrets(user.tenant, user.name),
        ...digests.map(({ algorithm, sealed }) =>
          addSecret({ tenant: user.tenant, name: digestSecretName(algorithm, user.name), sealed }),
        ),
      ),

    async digestAlgorithms(tenant) {
      const found = await Promise.all(
        digestAlgorithms.map((algorithm) =>
          engine.read(anySecret({ tenant, names: `${digestSecretName(algorithm, "")}%`, one: 1 })),
        ),
      );
      return digestAlgorithms.filter((_, at) => (found[at] ?? []).length > 0);
    },

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

    remove: (tenant, name) =>
      write(guarded(remove({ tenant, name }), `There is no EST user ${name}.`), ...withoutSecrets(tenant, name)),
  };
}

function estUserOf({ password_hash: passwordHash, ...row }: EstUserRow): EstUser {
  return { ...row, passwordHash };
}
