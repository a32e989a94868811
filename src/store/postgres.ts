import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "kysely";
import { type Clock, systemClock } from "../core/clock.ts";
import { type Randomness, systemRandomness } from "../core/randomness.ts";
import type { Ddl, Engine } from "./engine.ts";
import { StoreError } from "./errors.ts";
import { groupCommit } from "./group-commit.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { type PostgresDatabase, postgresDatabase } from "./postgres-connection.ts";
import { isConnectionLoss, postgresErrorOf, sqlStateOf } from "./postgres-errors.ts";
import { checkServer } from "./postgres-server.ts";
import type { PostgresSettings } from "./postgres-url.ts";
import { postgresWriter, prepareCommits } from "./postgres-writer.ts";
import type { Schema } from "./schema.ts";
import { type Store, storeOver } from "./store.ts";

export interface PostgresOptions {
  /** Dates the migrations; the system's clock unless given. */
  readonly clock?: Clock;
  /** Names connections; the system's unless given. */
  readonly randomness?: Randomness;
  /** False when the database has to hold a store already. */
  readonly create?: boolean;
}

/**
 * The store in a PostgreSQL database, which other processes may use at the same time, brought to this program's schema.
 * Throws `store-unreachable`, `store-unsuitable`, `store-missing`, `store-newer` and `store-failed`.
 */
export async function openPostgresStore(settings: PostgresSettings, options: PostgresOptions = {}): Promise<Store> {
  const database = postgresDatabase(settings);
  try {
    await checkServer(database, options.create ?? true);
    await prepareCommits(database);
  } catch (error) {
    await database.close();
    throw postgresErrorOf(error);
  }
  const engine = postgresEngine(database, options);
  try {
    await migrate(engine, migrations, options.clock ?? systemClock);
    return storeOver(engine);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** The engine over one database, which it then owns and whose table `commits` must exist. */
export function postgresEngine(
  database: PostgresDatabase,
  { clock = systemClock, randomness = systemRandomness }: PostgresOptions = {},
): Engine {
  const writer = postgresWriter(database, { clock, randomness });
  const commits = groupCommit((changes) => writer.apply(changes));
  let closing: Promise<void> | undefined;
  return {
    queries,
    ddl,
    sha256: (text) => sql`encode(sha256(convert_to(${text}, 'UTF8')), 'hex')`,
    async read(query) {
      for (let left = mostReads; ; left -= 1) {
        if (closing !== undefined) throw new StoreError("store-closed", "The store is closed.");
        try {
          return await database.read(query);
        } catch (error) {
          // Connections that broke while nobody used them, one for each reader at most; nothing is changed by asking again.
          if (left === 1 || error instanceof StoreError || !isPassing(error)) throw postgresErrorOf(error);
        }
      }
    },
    commit: (statements) => commits.commit(statements),
    close() {
      closing ??= commits
        .close()
        .then(() => writer.close())
        .then(() => database.close());
      return closing;
    },
  };
}

function isPassing(error: unknown): boolean {
  return isConnectionLoss(error) || sqlStateOf(error) === stalePlan;
}

const queries = new Kysely<Schema>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (database) => new PostgresIntrospector(database),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
});

const ddl: Ddl = {
  schema: queries.schema,
  table: (name) => queries.schema.createTable(name),
  text: sql`text collate "C"`,
  integer: sql`bigint`,
  bytes: sql`bytea`,
};

/** feature_not_supported: a prepared plan whose table another program has migrated. */
const stalePlan = "0A000";
const mostReads = 4;
