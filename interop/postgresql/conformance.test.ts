import { after, before } from "node:test";
import { storeConformance } from "../../src/store/conformance.test-suite.ts";
import { openPostgresStore } from "../../src/store/postgres.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
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

storeConformance(async () => {
  databases += 1;
  const name = await server.create(`conformance_${databases}`, "template template");
  return openPostgresStore(parsePostgresUrl(server.url(name)));
});
