import { sql } from "kysely";
import { hex } from "../core/bytes.ts";
import type { Write } from "../core/write.ts";
import type { Engine } from "./engine.ts";
import type { SealedKey, StoredSession, VaultKey } from "./records.ts";
import { compiled, guarded, prepared, write } from "./statement.ts";

/** The vault's data keys, and what in the store is sealed with which of them. */
export interface VaultKeys {
  /** All of them, the current one first; there are two while values are sealed anew, else one. */
  list(): Promise<readonly VaultKey[]>;
  /** Guard: there is none with this id, and no other current one. Does not check that it is wrapped. */
  insert(key: VaultKey): Write;
  /** Wraps a key anew or retires it. Guard: the stored key is still the one that was `read`. */
  replace(read: VaultKey, next: Pick<VaultKey, "state" | "keyFile" | "wrapped">): Write;
  /** Guard: the key is retiring, and nothing is sealed with it any more. */
  remove(id: string): Write;
  /** Changes nothing. Guard: the data key of this seal is still there, so that the value which is committed with it will open. */
  requireKeyOf(sealed: Uint8Array): Write;
  /** How many values are sealed with the key. */
  count(id: string): Promise<number>;
  /** Whether anything is sealed with a data key that has an id, known or not; a seal from before says none. */
  anySealed(): Promise<boolean>;
  /** Some of the values that are sealed with the key, `limit` of each kind at most; none when nothing is. */
  sealedWith(id: string, limit: number): Promise<SealedValues>;
}

export interface SealedValues {
  readonly keys: readonly SealedKey[];
  readonly sessions: readonly StoredSession[];
}

/** What stands before every value that the data key `id` sealed. */
export function sealPrefix(id: string): Uint8Array {
  return id === firstKeyId ? Uint8Array.of(1) : Buffer.concat([Uint8Array.of(2), Buffer.from(id, "hex")]);
}

/** The id of the data key that sealed the value; undefined when it is no seal of a vault. */
export function keyIdOf(sealed: Uint8Array): string | undefined {
  if (sealed[0] === 1) return firstKeyId;
  return sealed[0] === 2 && sealed.length > 1 + keyIdLength ? hex(sealed.subarray(1, 1 + keyIdLength)) : undefined;
}

/** Octets of a data key's id. */
export const keyIdLength = 8;

/** The id of the one key of a vault from before data keys had ids; its seals say none. */
export const firstKeyId = "0000000000000000";

export function vaultKeysIn(engine: Engine): VaultKeys {
  const { queries } = engine;

  const insert = prepared((key: VaultKey) =>
    queries.insertInto("vault_keys").values({
      id: key.id,
      state: key.state,
      key_file: key.keyFile,
      wrapped: key.wrapped,
      created: key.created,
    }),
  );

  const replace = prepared((p: Replacement) =>
    queries
      .updateTable("vault_keys")
      .set({ state: p.nextState, key_file: p.nextKeyFile, wrapped: p.nextWrapped })
      .where("id", "=", p.id)
      .where("state", "=", p.state)
      .where("wrapped", "=", p.wrapped),
  );

  const requireKey = prepared((p: { readonly id: string }) =>
    queries.updateTable("vault_keys").set({ id: p.id }).where("id", "=", p.id),
  );

  const keysWith = (id: string) => queries.selectFrom("sealed_keys").where(sealedBy("sealed", id));
  const sessionsWith = (id: string) => queries.selectFrom("sessions").where(sealedBy("data", id));

  return {
    async list() {
      const rows = await engine.read(
        compiled(queries.selectFrom("vault_keys").selectAll().orderBy("state").orderBy("id")),
      );
      return rows.map(({ key_file: keyFile, ...rest }) => ({ ...rest, keyFile }));
    },

    insert: (key) => write(guarded(insert(key), "The store has a data key of the vault already.")),

    replace: (read, next) =>
      write(
        guarded(
          replace({ ...read, nextState: next.state, nextKeyFile: next.keyFile, nextWrapped: next.wrapped }),
          "The vault's data key was changed by somebody else first.",
        ),
      ),

    remove: (id) =>
      write(
        guarded(
          compiled(
            queries
              .deleteFrom("vault_keys")
              .where("id", "=", id)
              .where("state", "=", "retiring")
              .where(({ not, exists }) => not(exists(keysWith(id).select("name"))))
              .where(({ not, exists }) => not(exists(sessionsWith(id).select("key")))),
          ),
          "Something is still sealed with the vault's data key.",
        ),
      ),

    requireKeyOf(sealed) {
      const id = keyIdOf(sealed);
      if (id === undefined) return write();
      return write(guarded(requireKey({ id }), "The vault has another data key since; do it again."));
    },

    async count(id) {
      const counts = await Promise.all(
        [
          keysWith(id).select(({ fn }) => fn.countAll<number>().as("count")),
          sessionsWith(id).select(({ fn }) => fn.countAll<number>().as("count")),
        ].map((query) => engine.read(compiled(query))),
      );
      return counts.reduce((sum, [row]) => sum + Number(row?.count ?? 0), 0);
    },

    async anySealed() {
      const found = await Promise.all(
        [
          queries.selectFrom("sealed_keys").select("tenant").where(sealedByAny("sealed")).limit(1),
          queries.selectFrom("sessions").select("tenant").where(sealedByAny("data")).limit(1),
        ].map((query) => engine.read(compiled(query))),
      );
      return found.some((rows) => rows.length > 0);
    },

    async sealedWith(id, limit) {
      const [keys, sessions] = await Promise.all([
        engine.read(compiled(keysWith(id).selectAll().limit(limit))),
        engine.read(compiled(sessionsWith(id).selectAll().limit(limit))),
      ]);
      return { keys: keys.map((row) => ({ ...row })), sessions: sessions.map((row) => ({ ...row })) };
    },
  };
}

interface Replacement extends VaultKey {
  readonly nextState: VaultKey["state"];
  readonly nextKeyFile: string;
  readonly nextWrapped: Uint8Array;
}

/** A condition that the indexes by seal answer; `substr` counts the octets of a blob and of a bytea. */
function sealedBy(column: "sealed" | "data", id: string) {
  const seal = sealOf(column);
  // Before keys had ids, one octet stood alone before the nonce.
  if (id === firstKeyId) return sql<boolean>`${seal} >= ${Uint8Array.of(1)} and ${seal} < ${Uint8Array.of(2)}`;
  return sql<boolean>`${seal} = ${sealPrefix(id)}`;
}

function sealedByAny(column: "sealed" | "data") {
  return sql<boolean>`${sealOf(column)} >= ${Uint8Array.of(2)}`;
}

function sealOf(column: "sealed" | "data") {
  return sql<Uint8Array>`substr(${sql.ref(column)}, 1, 9)`;
}
