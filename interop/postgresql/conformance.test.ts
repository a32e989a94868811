import { after, before } from "node:test";
import { migrationsConformance } from "../../src/store/conformance/migrations.test-suite.ts";
import { storeConformance } from "../../src/store/conformance.test-suite.ts";
import { openPostgresStore, postgresEngine } from "../../src/store/postgres.ts";
import { postgresDatabase } from "../../src/store/postgres-connection.ts";
import { type PostgresSettings, parsePostgresUrl } from "../../src/store/postgres-url.ts";
import { prepareCommits } from "../../src/store/postgres-writer.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** The store's conformance suite on a real server. */
let server: PostgresServer;
let databases = 0;

before(async () => {
  server = await startPostgres();
  // Later ones are copies of this one, which is faster than migrating each of them.
  await server.create("template");
  await (await openPostgresStore(parsePostgresUrl(server.url("template")))).close();
});
after(() => server.remove());

async function newDatabase(options = ""): Promise<PostgresSettings> {
  databases += 1;
  return parsePostgresUrl(server.url(await server.create(`conformance_${databases}`, options)));
}

storeConformance(async () => openPostgresStore(await newDatabase("template template")));

migrationsConformance(async () => {
  const database = postgresDatabase(await newDatabase());
  await prepareCommits(database);
  return postgresEngine(database);
});
