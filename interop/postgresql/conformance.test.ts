import { after, before } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { migrationsConformance } from "../../src/store/conformance/migrations.test-suite.ts";
import { storeConformance } from "../../src/store/conformance.test-suite.ts";
import type { Engine } from "../../src/store/engine.ts";
import { migrate } from "../../src/store/migrate.ts";
import { migrations } from "../../src/store/migrations.ts";
import { postgresEngine } from "../../src/store/postgres.ts";
import { postgresDatabase } from "../../src/store/postgres-connection.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
import { prepareCommits } from "../../src/store/postgres-writer.ts";
import { storeOver } from "../../src/store/store.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** The store's conformance suite on a real server. */
let server: PostgresServer;
let databases = 0;
let deletions = "";

before(async () => {
  server = await startPostgres();
  const engine = await engineOn(await server.create("conformance"));
  await migrate(engine, migrations, systemClock);
  await engine.close();
  const tables = await server.query<{ name: string }>("conformance", namesOfTables);
  deletions = tables.map(({ name }) => `delete from ${name};`).join(" ");
});
after(() => server.remove());

async function engineOn(name: string): Promise<Engine> {
  const database = postgresDatabase(parsePostgresUrl(server.url(name)));
  await prepareCommits(database);
  return postgresEngine(database);
}

storeConformance(async () => {
  // Without foreign keys for a moment: of a few rows each, deleting takes less than another database.
  await server.query("conformance", `begin; set local session_replication_role = replica; ${deletions} commit`);
  return storeOver(await engineOn("conformance"));
});

migrationsConformance(async () => {
  databases += 1;
  return engineOn(await server.create(`migrations_${databases}`));
});

const namesOfTables =
  "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migrations'";
