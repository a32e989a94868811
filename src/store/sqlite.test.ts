import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { systemClock } from "../core/clock.ts";
import type { Write } from "../core/write.ts";
import { device, rejectsWith } from "./conformance/fixtures.test-suite.ts";
import { everything, readEverything } from "./conformance/isolation.test-suite.ts";
import { migrationsConformance } from "./conformance/migrations.test-suite.ts";
import { storeConformance } from "./conformance.test-suite.ts";
import type { Engine } from "./engine.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { openSqliteStore, sqliteEngine } from "./sqlite.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import type { Query } from "./statement.ts";
import { type Store, storeOver } from "./store.ts";
import { firstKeyId } from "./vault-keys.ts";

const directory = mkdtempSync(join(tmpdir(), "hatchery-store-"));
after(() => rmSync(directory, { recursive: true }));

let files = 0;
function newFile(): string {
  files += 1;
  return join(directory, `data-${files}`, "hatchery.db");
}

storeConformance(() => openSqliteStore(newFile()));
migrationsConformance(async () => sqliteEngine(openSqliteConnection(newFile())));

test("ok/file: found again after closing, for its owner only", async () => {
  const file = newFile();
  const store = await openSqliteStore(file);
  await store.commit([store.tenants.ensure({ tenant: "a", created: 1 }), ...everything(store, "a")]);
  const before = await readEverything(store, "a");
  const modes = [join(file, ".."), file, `${file}-wal`].map((path) => statSync(path).mode & 0o777);
  assert.deepEqual(modes, [0o700, 0o600, 0o600]);
  await store.close();

  const again = await openSqliteStore(file);
  assert.deepEqual(await readEverything(again, "a"), before);
  await again.close();
});

test("ok/file: a commit that was answered is in the file before it is closed", async () => {
  const file = newFile();
  const store = await openSqliteStore(file);
  await store.commit([store.tenants.ensure({ tenant: "a", created: 1 })]);
  const other = new DatabaseSync(file, { readOnly: true });
  assert.equal(other.prepare("SELECT count(*) AS tenants FROM tenants").get()?.["tenants"], 1);
  other.close();
  await store.close();
});

test("ok/memory: nothing is kept", async () => {
  const store = await openSqliteStore(":memory:");
  await store.commit([store.tenants.ensure({ tenant: "a", created: 1 }), store.devices.insert(device("d1"))]);
  assert.deepEqual(await store.devices.find("a", "d1"), device("d1"));
  await store.close();
});

test("fail/file: no database, a directory, a newer schema", async () => {
  const text = join(directory, "text.db");
  writeFileSync(text, "This is a text file and no database. ".repeat(100));
  await rejectsWith("store-failed", openSqliteStore(text));
  await rejectsWith("store-failed", openSqliteStore(directory));

  const newer = newFile();
  await (await openSqliteStore(newer)).close();
  const database = new DatabaseSync(newer);
  database.exec("INSERT INTO migrations (number, name, applied) VALUES (99, 'later', 1)");
  database.close();
  await rejectsWith("store-newer", openSqliteStore(newer));
});

test("fail/engine: SQL that the database does not understand", async () => {
  const engine = sqliteEngine(openSqliteConnection(":memory:"));
  const nonsense = { sql: "SELECT nothing FROM nowhere", parameters: [] };
  await rejectsWith("store-failed", engine.read(nonsense));
  await rejectsWith("store-failed", engine.commit([nonsense]));
  await engine.close();
});

test("ok/statements: none scans a table", async () => {
  const connection = openSqliteConnection(":memory:");
  const engine = sqliteEngine(connection);
  await migrate(engine, migrations, systemClock);
  const asked: Query[] = [];
  const listening: Engine = {
    ...engine,
    read(query) {
      asked.push(query);
      return engine.read(query);
    },
    commit(statements) {
      asked.push(...statements);
      return engine.commit(statements);
    },
  };
  const store = storeOver(listening);
  await readEverything(store, "a");
  await store.commit([
    store.tenants.ensure({ tenant: "a", created: 1 }),
    ...everything(store, "a"),
    store.approvals.decide("a", "1", { state: "approved", decided: 20, decidedBy: "ada" }),
    store.approvals.withdraw("a", "1"),
    ...cleanUps(store, "a"),
    store.tenants.remove("a"),
  ]);
  for (const id of [firstKeyId, "00000000000000a1"]) {
    await store.vaultKeys.count(id);
    await store.vaultKeys.sealedWith(id, 10);
    await rejectsWith("guard-lost", store.commit([store.vaultKeys.remove(id)]));
  }
  // Tables by their name or by an alias; a subquery in FROM may be read whole, as its rows were searched for.
  const named = { sql: "SELECT name FROM sqlite_master WHERE type = 'table'", parameters: [] };
  const tables = connection.all<{ name: string }>(named).map(({ name }) => name);
  for (const { sql, parameters } of asked) {
    const plan = connection.all<{ detail: string }>({ sql: `EXPLAIN QUERY PLAN ${sql}`, parameters });
    const aliases = [...sql.matchAll(/"(\w+)" as "(\w+)"/g)].flatMap(([, table, alias]) =>
      tables.includes(table!) ? [alias!] : [],
    );
    const scans = [...tables, ...aliases].map((name) => `SCAN ${name} `);
    assert.deepEqual(
      plan.map(({ detail }) => detail).filter((detail) => scans.some((scan) => `${detail} `.startsWith(scan))),
      [],
      sql,
    );
  }
  await engine.close();
});

/** One of each clean-up; every one finds nothing. */
function cleanUps(store: Store, tenant: string): readonly Write[] {
  return [
    store.sessions.removeExpired(0),
    store.approvals.expire(tenant, 0),
    store.approvals.removeEndedBefore(tenant, 0),
    store.runs.endWaiting(tenant, 0, 1, "expired"),
    store.runs.removeEndedBefore(tenant, 0),
    store.runs.trimRefused(tenant, 10),
  ];
}
