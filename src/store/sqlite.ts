import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler, sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Ddl, Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { groupCommit } from "./group-commit.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import type { Schema } from "./schema.ts";
import { commitTogether } from "./sqlite-commit.ts";
import { openSqliteConnection, type SqliteConnection, storeErrorOf } from "./sqlite-connection.ts";
import { type Store, storeOver } from "./store.ts";

export interface SqliteOptions {
  /** Dates the migrations; the system's clock unless given. */
  readonly clock?: Clock;
}

/**
 * The store in the SQLite file `path`, created with mode 0600 in a directory of mode 0700 when it does not exist, and
 * brought to this program's schema; `:memory:` keeps nothing. Throws `store-newer` and `store-failed`. Does not check that
 * no other process uses the file: `lockDirectory` does.
 */
export async function openSqliteStore(path: string, options: SqliteOptions = {}): Promise<Store> {
  const engine = sqliteEngine(openSqliteConnection(path));
  try {
    await migrate(engine, migrations, options.clock ?? systemClock);
    return storeOver(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** The engine over one connection, which it then owns: reads between transactions, one transaction for each turn. */
export function sqliteEngine(connection: SqliteConnection): Engine {
  const commits = groupCommit((changes) => commitTogether(connection, changes));
  let closing: Promise<void> | undefined;
  return {
    queries,
    ddl,
    sha256: (text) => sql`sha256(${text})`,
    async read(query) {
      if (closing !== undefined) throw new StoreError("store-closed", "The store is closed.");
      try {
        return connection.all(query);
      } catch (error) {
        throw storeErrorOf(error);
      }
    },
    commit: (statements) => commits.commit(statements),
    close() {
      closing ??= commits.close().then(() => connection.close());
      return closing;
    },
  };
}

const queries = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new SqliteIntrospector(database),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
});

const ddl: Ddl = {
  schema: queries.schema,
  // STRICT tables refuse values of another type, as PostgreSQL does.
  table: (name) => queries.schema.createTable(name).modifyEnd(sql`strict`),
  text: sql`text`,
  integer: sql`integer`,
  bytes: sql`blob`,
};
