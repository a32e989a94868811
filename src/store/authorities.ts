import type { Write } from "../core/write.ts";
import { type Certificates, certificatesIn } from "./certificates.ts";
import { withoutNulls } from "./columns.ts";
import type { Engine } from "./engine.ts";
import { cursor, type Page, type PageRequest } from "./paging.ts";
import type { Authority, AuthorityState, SealedKey, StoredCrl } from "./records.ts";
import type { CrlRow } from "./schema.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

export interface Authorities extends Certificates {
  /** Guard: the tenant has no key of this name; a key is never overwritten by accident. Does not check that it is sealed. */
  addKey(key: SealedKey): Write;
  /** Seals the same key anew. Guard: the stored key is still the one that was `read`. */
  resealKey(read: SealedKey, sealed: Uint8Array): Write;
  key(tenant: string, name: string): Promise<SealedKey | undefined>;
  /** Those whose names begin with `prefix`, which holds neither `%` nor `_`; by name, 1,000 at most. */
  keysUnder(tenant: string, prefix: string): Promise<readonly SealedKey[]>;
  /** Guard: the tenant has a key of this name. Does not check that nothing needs it. */
  removeKey(tenant: string, name: string): Write;

  /**
   * Guard: the tenant has no authority of this name, and no second root or issuing CA becomes active. Does not check that its
   * key is stored.
   */
  insert(authority: Authority): Write;
  /** Guard: the authority's state is `from`, and no second root or issuing CA becomes active. */
  setState(tenant: string, name: string, from: AuthorityState, to: AuthorityState): Write;
  /** By name. */
  list(tenant: string, page: PageRequest): Promise<Page<Authority>>;

  /** Keeps the CRL and the one before it. Guard: the authority has no CRL of this number. */
  saveCrl(crl: StoredCrl): Write;
  /** The one with the highest number. */
  latestCrl(tenant: string, authority: string): Promise<StoredCrl | undefined>;
}

export function authoritiesIn(engine: Engine): Authorities {
  const { queries } = engine;

  const addKey = prepared((key: SealedKey) =>
    queries.insertInto("sealed_keys").values({ tenant: key.tenant, name: key.name, sealed: key.sealed }),
  );

  const resealKey = prepared((p: SealedKey & { readonly before: Uint8Array }) =>
    queries
      .updateTable("sealed_keys")
      .set({ sealed: p.sealed })
      .where("tenant", "=", p.tenant)
      .where("name", "=", p.name)
      .where("sealed", "=", p.before),
  );

  const findKey = prepared((p: { tenant: string; name: string }) =>
    queries.selectFrom("sealed_keys").selectAll().where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const findKeysUnder = prepared((p: { tenant: string; pattern: string; limit: number }) =>
    queries
      .selectFrom("sealed_keys")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("name", "like", p.pattern)
      .orderBy("name")
      .limit(p.limit),
  );

  const removeKey = prepared((p: { tenant: string; name: string }) =>
    queries.deleteFrom("sealed_keys").where("tenant", "=", p.tenant).where("name", "=", p.name),
  );

  const insert = prepared((authority: Authority) =>
    queries.insertInto("authorities").values({
      tenant: authority.tenant,
      name: authority.name,
      certificate: authority.certificate,
      created: authority.created,
      key: authority.key ?? null,
      role: authority.role,
      state: authority.state,
      origin: authority.origin,
    }),
  );

  const setState = prepared((p: { tenant: string; name: string; from: AuthorityState; to: AuthorityState }) =>
    queries
      .updateTable("authorities")
      .set({ state: p.to })
      .where("tenant", "=", p.tenant)
      .where("name", "=", p.name)
      .where("state", "=", p.from),
  );

  const saveCrl = prepared((crl: StoredCrl) =>
    queries.insertInto("crls").values({
      tenant: crl.tenant,
      authority: crl.authority,
      number: crl.number,
      this_update: crl.thisUpdate,
      next_update: crl.nextUpdate,
      der: crl.der,
      changes: crl.changes,
    }),
  );

  const removeCrls = prepared((p: { tenant: string; authority: string; before: number }) =>
    queries
      .deleteFrom("crls")
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority)
      .where("number", "<", p.before),
  );

  const latestCrl = prepared((p: { tenant: string; authority: string; one: number }) =>
    queries
      .selectFrom("crls")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("authority", "=", p.authority)
      .orderBy("number", "desc")
      .limit(p.one),
  );

  return {
    ...certificatesIn(engine),

    addKey: (key) => write(guarded(addKey(key), `A key named ${key.name} exists already.`)),

    resealKey: (read, sealed) =>
      write(
        guarded(
          resealKey({ ...read, sealed, before: read.sealed }),
          `The key ${read.name} was sealed by somebody else first.`,
        ),
      ),

    async key(tenant, name) {
      const [row] = await engine.read(findKey({ tenant, name }));
      return row && { ...row };
    },

    async keysUnder(tenant, prefix) {
      const rows = await engine.read(findKeysUnder({ tenant, pattern: `${prefix}%`, limit: 1_000 }));
      return rows.map((row) => ({ ...row }));
    },

    removeKey: (tenant, name) => write(guarded(removeKey({ tenant, name }), `There is no key named ${name}.`)),

    insert: (authority) =>
      write(
        guarded(
          insert(authority),
          `The tenant has a certificate authority named ${authority.name}, or an active one of its role, already.`,
        ),
      ),

    setState: (tenant, name, from, to) =>
      write(
        guarded(
          setState({ tenant, name, from, to }),
          `The certificate authority ${name} is not ${from}, or another one of its role is ${to}.`,
        ),
      ),

    async list(tenant, request) {
      const page = cursor<[string]>(request, ["text"]);
      let query = queries
        .selectFrom("authorities")
        .selectAll()
        .where("tenant", "=", tenant)
        .orderBy("name")
        .limit(page.rows);
      if (page.after) query = query.where("name", ">", page.after[0]);
      const rows = await engine.read(compiled(query));
      return page.page(rows, (row) => [row.name], withoutNulls);
    },

    saveCrl: (crl) =>
      write(
        guarded(saveCrl(crl), `The authority ${crl.authority} has a CRL with the number ${crl.number} already.`),
        // A list of many entries has megabytes, and nobody asks for an old one.
        removeCrls({ tenant: crl.tenant, authority: crl.authority, before: crl.number - 1 }),
      ),

    async latestCrl(tenant, authority) {
      const [row] = await engine.read(latestCrl({ tenant, authority, one: 1 }));
      return row && crlOf(row);
    },
  };
}

function crlOf({ this_update: thisUpdate, next_update: nextUpdate, ...row }: CrlRow): StoredCrl {
  return { ...row, thisUpdate, nextUpdate };
}
