import type { Write } from "../core/write.ts";
import type { Engine } from "./engine.ts";
import type { StoredSession } from "./records.ts";
import { guarded, prepared, write } from "./statement.ts";

export interface Sessions {
  /** The session, unless it has expired at `now`. */
  load(tenant: string, protocol: string, key: string, now: number): Promise<StoredSession | undefined>;
  /** Saves a new session, whose version is 1. Guard: there is none with this key that has not expired at `now`. */
  create(session: Omit<StoredSession, "version">, now: number): Write;
  /** Saves the version after the one that was `loaded`. Guard: the stored session is still the one that was loaded. */
  save(loaded: StoredSession, next: Pick<StoredSession, "data" | "expires">): Write;
  /** Guard: the stored session is still the one that was loaded, so that a single-use one is consumed once. */
  remove(loaded: StoredSession): Write;
  /** Deletes sessions of all tenants that have expired at `now`, 1,000 at most: call it again and again. */
  removeExpired(now: number): Write;
}

export function sessionsIn(engine: Engine): Sessions {
  const { queries } = engine;

  const load = prepared((p: { tenant: string; protocol: string; key: string; now: number }) =>
    queries
      .selectFrom("sessions")
      .selectAll()
      .where("tenant", "=", p.tenant)
      .where("protocol", "=", p.protocol)
      .where("key", "=", p.key)
      .where("expires", ">", p.now),
  );

  const create = prepared((session: Omit<StoredSession, "version"> & { readonly now: number }) =>
    queries
      .insertInto("sessions")
      .values({
        tenant: session.tenant,
        protocol: session.protocol,
        key: session.key,
        version: 1,
        data: session.data,
        expires: session.expires,
      })
      .onConflict((conflict) =>
        conflict
          .columns(["tenant", "protocol", "key"])
          .doUpdateSet((set) => ({
            version: set.ref("excluded.version"),
            data: set.ref("excluded.data"),
            expires: set.ref("excluded.expires"),
          }))
          .where("sessions.expires", "<=", session.now),
      ),
  );

  // The data is compared too: a session that was removed and made anew counts its versions from 1 again.
  const save = prepared((p: StoredSession & { readonly nextData: Uint8Array; readonly nextExpires: number }) =>
    queries
      .updateTable("sessions")
      .set((eb) => ({ version: eb("version", "+", 1), data: p.nextData, expires: p.nextExpires }))
      .where("tenant", "=", p.tenant)
      .where("protocol", "=", p.protocol)
      .where("key", "=", p.key)
      .where("version", "=", p.version)
      .where("data", "=", p.data),
  );

  const remove = prepared((p: StoredSession) =>
    queries
      .deleteFrom("sessions")
      .where("tenant", "=", p.tenant)
      .where("protocol", "=", p.protocol)
      .where("key", "=", p.key)
      .where("version", "=", p.version)
      .where("data", "=", p.data),
  );

  const removeExpired = prepared((p: { now: number }) =>
    queries
      .deleteFrom("sessions")
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple("tenant", "protocol", "key"),
          "in",
          selectFrom("sessions as expired")
            .select(["expired.tenant", "expired.protocol", "expired.key"])
            .where("expired.expires", "<=", p.now)
            .limit(removedAtOnce)
            .$asTuple("tenant", "protocol", "key"),
        ),
      ),
  );

  return {
    async load(tenant, protocol, key, now) {
      const [row] = await engine.read(load({ tenant, protocol, key, now }));
      return row && { ...row };
    },

    create: (session, now) => write(guarded(create({ ...session, now }), "The session exists already.")),

    save: (loaded, next) =>
      write(guarded(save({ ...loaded, nextData: next.data, nextExpires: next.expires }), changedMeanwhile)),

    remove: (loaded) => write(guarded(remove(loaded), changedMeanwhile)),

    removeExpired: (now) => write(removeExpired({ now })),
  };
}

/** The key stays out of it: it may be a token. */
const changedMeanwhile = "The session was saved or removed by somebody else first.";

/** What one housekeeping statement may hold up the thread for. */
const removedAtOnce = 1_000;
