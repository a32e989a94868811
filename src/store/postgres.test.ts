import { after, before } from "node:test";
import { systemClock } from "../core/clock.ts";
import { migrationsConformance } from "./conformance/migrations.test-suite.ts";
import { storeConformance } from "./conformance.test-suite.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { type PgliteServer, startPglite } from "./pglite.test-support.ts";
import { postgresEngine } from "./postgres.ts";
import { prepareCommits } from "./postgres-writer.ts";
import { type Store, storeOver } from "./store.ts";

/** PostgreSQL's dialect and transactions, without a server. The real one is in `interop/postgresql`. */
let server: PgliteServer;
let tables: readonly string[] = [];

before(async () => {
  server = await startPglite();
  await prepareCommits(server.database());
  const engine = postgresEngine(server.database());
  await migrate(engine, migrations, systemClock);
  const rows = await engine.read<{ name: string }>({ sql: namesOfTables, parameters: [] });
  tables = rows.map(({ name }) => name);
  await engine.close();
});
after(() => server.close());

async function openEmpty(): Promise<Store> {
  // Without foreign keys for a moment: of a few rows each, deleting takes less than truncating.
  const deletions = tables.map((name) => `delete from ${name};`).join(" ");
  await server.run(`begin; set local session_replication_role = replica; ${deletions} commit`);
  return storeOver(postgresEngine(server.database()));
}

storeConformance(openEmpty);

migrationsConformance(async () => {
  await server.run("drop schema public cascade; create schema public");
  await prepareCommits(server.database());
  return postgresEngine(server.database());
});

const namesOfTables =
  "select tablename as name from pg_tables where schemaname = 'public' and tablename <> 'migrations'";
