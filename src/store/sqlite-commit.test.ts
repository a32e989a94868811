import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { device, rejectsWith, run } from "./conformance/fixtures.test-suite.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { sqliteEngine } from "./sqlite.ts";
import { openSqliteConnection, type SqliteConnection } from "./sqlite-connection.ts";
import { type Store, storeOver } from "./store.ts";

interface Bench {
  readonly store: Store;
  readonly connection: SqliteConnection;
  readonly file: string;
  /** The SQL that ran since `migrate`, in order. */
  readonly ran: string[];
}

function sqliteTest(name: string, body: (bench: Bench) => Promise<void>): void {
  test(name, async () => {
    const directory = mkdtempSync(join(tmpdir(), "hatchery-commit-"));
    const file = join(directory, "hatchery.db");
    const connection = openSqliteConnection(file);
    const ran: string[] = [];
    const engine = sqliteEngine({
      ...connection,
      run(statement) {
        ran.push(statement.sql);
        return connection.run(statement);
      },
    });
    await migrate(engine, migrations, systemClock);
    const store = storeOver(engine);
    await store.commit([store.tenants.ensure({ tenant: "a", created: 1 })]);
    ran.length = 0;
    try {
      await body({ store, connection, file, ran });
    } finally {
      await store.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });
}

function pragma(connection: SqliteConnection, name: string): number {
  const [row] = connection.all<Record<string, number>>({ sql: `PRAGMA ${name}`, parameters: [] });
  return Object.values(row!)[0]!;
}

function outcomes(settled: readonly PromiseSettledResult<unknown>[]): readonly string[] {
  return settled.map((each) => (each.status === "fulfilled" ? "committed" : each.reason.code));
}

/** What an operator may do to the files of a database that is in use. */
const harms: readonly (readonly [how: string, harm: (file: string) => void])[] = [
  ["the database is removed", (file) => rmSync(file)],
  ["the database is moved away", (file) => renameSync(file, `${file}.old`)],
  ["the data directory is removed", (file) => rmSync(dirname(file), { recursive: true })],
  ["the write-ahead log is removed", (file) => rmSync(`${file}-wal`)],
  [
    "the database is replaced by a backup",
    (file) => {
      copyFileSync(file, `${file}.backup`);
      renameSync(`${file}.backup`, file);
    },
  ],
];

const settings = ["journal_mode", "synchronous", "foreign_keys", "temp_store"];

sqliteTest(
  "ok/connection: write-ahead log, full synchronisation, foreign keys, no temporary files",
  async ({ connection }) => {
    assert.deepEqual(
      settings.map((name) => pragma(connection, name)),
      ["wal", 2, 1, 2],
    );
  },
);

sqliteTest("ok/group: one turn is one transaction, and the channels tell of it", async ({ store, ran }) => {
  const heard: string[] = [];
  const before = (message: unknown) => heard.push(`before ${JSON.stringify(message)} ${ran.includes("COMMIT")}`);
  const after = (message: unknown) => heard.push(`after ${JSON.stringify(message)} ${ran.includes("COMMIT")}`);
  subscribe("hatchery:commit:before", before);
  subscribe("hatchery:commit:after", after);
  try {
    const commits = Array.from({ length: 64 }, (_, index) => store.commit([store.devices.insert(device(`d${index}`))]));
    await Promise.all(commits);
  } finally {
    unsubscribe("hatchery:commit:before", before);
    unsubscribe("hatchery:commit:after", after);
  }
  assert.deepEqual(
    ran.filter((sql) => !sql.startsWith("insert")),
    ["BEGIN IMMEDIATE", "COMMIT"],
  );
  assert.deepEqual(heard, ['before {"callers":64} false', 'after {"callers":64} true']);
});

sqliteTest("ok/group: one that fails is taken back alone, with all that it had changed", async ({ store, ran }) => {
  const commits = Array.from({ length: 4 }, (_, index) =>
    store.commit([
      store.runs.save(run(`r${index}`)),
      ...(index === 2 ? [store.estUsers.remove("a", "nobody")] : []),
      store.devices.insert(device(`d${index}`)),
    ]),
  );
  const settled = outcomes(await Promise.allSettled(commits));
  assert.deepEqual(settled, ["committed", "committed", "guard-lost", "committed"]);
  assert.equal(await store.runs.find("a", "r2"), undefined);
  assert.equal((await store.devices.list("a", { limit: 9 })).items.length, 3);
  assert.equal(ran.filter((sql) => sql === "ROLLBACK").length, 1);
  assert.equal(ran.filter((sql) => sql === "COMMIT").length, 1);
});

sqliteTest("ok/group: nothing is committed when every caller has lost", async ({ store, ran }) => {
  await rejectsWith("guard-lost", store.commit([store.estUsers.remove("a", "nobody")]));
  assert.equal(ran.at(-1), "ROLLBACK");
});

for (const big of [0, 31, 63]) {
  sqliteTest(`ok/disk full: caller ${big} of 64 is too big and the others are run again`, async (bench) => {
    const { store, connection, ran } = bench;
    pragma(connection, `max_page_count = ${pragma(connection, "page_count") + 100}`);
    const commits = Array.from({ length: 64 }, (_, index) => {
      const events = new Uint8Array(index === big ? 1_000_000 : 10);
      return store.commit([
        store.devices.insert(device(`d${index}`)),
        store.runs.save(run(`r${index}`, { run: events })),
      ]);
    });
    const settled = outcomes(await Promise.allSettled(commits));
    assert.deepEqual(
      settled,
      commits.map((_, index) => (index === big ? "store-full" : "committed")),
    );
    assert.equal(ran.filter((sql) => sql === "BEGIN IMMEDIATE").length, 3, "SQLite ended the first two transactions");
    assert.equal(await store.devices.find("a", `d${big}`), undefined);
    assert.equal((await store.devices.list("a", { limit: 100 })).items.length, 63);
  });
}

sqliteTest("fail/disk full: nobody fits, and the store goes on when there is space again", async (bench) => {
  const { store, connection } = bench;
  pragma(connection, `max_page_count = ${pragma(connection, "page_count")}`);
  const save = (id: number) => store.commit([store.runs.save(run(`r${id}`, { run: new Uint8Array(10_000) }))]);
  assert.deepEqual(outcomes(await Promise.allSettled([1, 2, 3].map(save))), ["store-full", "store-full", "store-full"]);
  pragma(connection, "max_page_count = 1000000");
  await save(4);
  assert.equal((await store.runs.list("a", {}, { limit: 9 })).items.length, 1);
});

sqliteTest("fail/COMMIT: it names nobody, so each caller is tried alone", async ({ connection, file }) => {
  const engine = sqliteEngine(openSqliteConnection(file));
  const orphan = "INSERT INTO devices VALUES ('nobody', 'x', 'x', 'made', 1, 1)";
  const sound = (id: string) => `INSERT INTO devices VALUES ('a', '${id}', 'x', 'made', 1, 1)`;
  // A deferred foreign key is checked by COMMIT.
  const commits = [[sound("1")], ["PRAGMA defer_foreign_keys = ON", orphan], [sound("2")]].map((change) =>
    engine.commit(change.map((sql) => ({ sql, parameters: [] }))),
  );
  const settled = outcomes(await Promise.allSettled(commits));
  assert.deepEqual(settled, ["committed", "guard-lost", "committed"]);
  const rows = connection.all<{ id: string }>({ sql: "SELECT id FROM devices ORDER BY id", parameters: [] });
  assert.deepEqual(
    rows.map(({ id }) => id),
    ["1", "2"],
  );
  await engine.close();
});

sqliteTest("fail/BEGIN: another program holds the write lock", async ({ store, connection, file, ran }) => {
  pragma(connection, "busy_timeout = 0");
  const other = new DatabaseSync(file);
  other.exec("BEGIN IMMEDIATE");
  const commits = ["d1", "d2"].map((id) => store.commit([store.devices.insert(device(id))]));
  assert.deepEqual(outcomes(await Promise.allSettled(commits)), ["store-failed", "store-failed"]);
  assert.deepEqual(ran, ["BEGIN IMMEDIATE"]);
  other.exec("ROLLBACK");
  other.close();
  await store.commit([store.devices.insert(device("d1"))]);
});

sqliteTest("fail/statement: values that break no promise of another caller, only the schema's", async ({ store }) => {
  const wrong = { ...device("d1"), created: "yesterday" as unknown as number };
  const commits = [device("d0"), wrong, device("d2")].map((each) => store.commit([store.devices.insert(each)]));
  assert.deepEqual(outcomes(await Promise.allSettled(commits)), ["committed", "store-failed", "committed"]);
});

for (const [how, harm] of harms)
  sqliteTest(`fail/files: ${how}`, async ({ store, file }) => {
    harm(file);
    const commits = ["d1", "d2"].map((id) => store.commit([store.devices.insert(device(id))]));
    commits.push(store.commit([store.estUsers.remove("a", "nobody")]));
    assert.deepEqual(outcomes(await Promise.allSettled(commits)), ["store-replaced", "store-replaced", "guard-lost"]);
    await rejectsWith("store-replaced", store.commit([store.devices.insert(device("d3"))]));
  });

sqliteTest("ok/files: a backup, and a change of the file's owner or mode, are no harm", async ({ store, file }) => {
  const backup = new DatabaseSync(file);
  backup.exec(`VACUUM INTO '${file}.backup'`);
  backup.close();
  chmodSync(file, 0o400);
  await store.commit([store.devices.insert(device("d1"))]);
  assert.notEqual(await store.devices.find("a", "d1"), undefined);
});

sqliteTest("ok/statements: more shapes than are kept prepared", async ({ connection }) => {
  const sums = Array.from({ length: 600 }, (_, index) => {
    const [row] = connection.all<{ sum: number }>({ sql: `SELECT ${index} + ? AS sum`, parameters: [1] });
    return row?.sum;
  });
  assert.deepEqual(
    sums,
    Array.from({ length: 600 }, (_, index) => index + 1),
  );
});
