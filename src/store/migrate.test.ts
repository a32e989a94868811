import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { rejectsWith } from "./conformance/fixtures.test-suite.ts";
import type { Engine } from "./engine.ts";
import { type Migration, migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { sqliteEngine } from "./sqlite.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import { statementsOf } from "./statement.ts";
import { storeOver } from "./store.ts";

const first: Migration = {
  number: 1,
  name: "first",
  statements: ({ ddl }) => [
    ddl.table("things").addColumn("name", ddl.text, (column) => column.notNull()),
    ddl.schema.createIndex("things_by_name").on("things").column("name"),
  ],
};

const second: Migration = {
  number: 2,
  name: "second",
  statements: ({ ddl }) => [ddl.schema.alterTable("things").addColumn("colour", ddl.text)],
};

const broken: Migration = {
  number: 2,
  name: "broken",
  statements: ({ ddl }) => [
    ddl.table("others").addColumn("name", ddl.text),
    ddl.schema.alterTable("nothing").addColumn("colour", ddl.text),
  ],
};

async function withEngine(body: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = sqliteEngine(openSqliteConnection(":memory:"));
  try {
    await body(engine);
  } finally {
    await engine.close();
  }
}

async function rows(engine: Engine, text: string): Promise<readonly object[]> {
  return (await engine.read<object>({ sql: text, parameters: [] })).map((row) => ({ ...row }));
}

function history(engine: Engine): Promise<readonly object[]> {
  return rows(engine, "SELECT * FROM migrations ORDER BY number");
}

test("ok/migrate: from an empty database, then again without effect", () =>
  withEngine(async (engine) => {
    const clock = new ManualClock(1000);
    await migrate(engine, [first, second], clock);
    clock.advance(1);
    await migrate(engine, [first, second], clock);
    assert.deepEqual(await history(engine), [
      { number: 1, name: "first", applied: 1000 },
      { number: 2, name: "second", applied: 1000 },
    ]);
    assert.deepEqual(await rows(engine, "SELECT name, colour FROM things"), []);
  }));

test("ok/migrate: from an older version, whose records stay", () =>
  withEngine(async (engine) => {
    await migrate(engine, [first], new ManualClock(1000));
    await engine.commit([{ sql: "INSERT INTO things (name) VALUES ('lamp')", parameters: [] }]);
    await migrate(engine, [first, second], new ManualClock(2000));
    assert.deepEqual(await rows(engine, "SELECT * FROM things"), [{ name: "lamp", colour: null }]);
    assert.deepEqual((await history(engine)).at(-1), { number: 2, name: "second", applied: 2000 });
  }));

test("fail/migrate: a migration that breaks leaves nothing of itself", () =>
  withEngine(async (engine) => {
    await rejectsWith("store-failed", migrate(engine, [first, broken], new ManualClock(1000)));
    assert.deepEqual(await history(engine), [{ number: 1, name: "first", applied: 1000 }]);
    assert.deepEqual(await rows(engine, "SELECT name FROM sqlite_master WHERE name = 'others'"), []);
    await migrate(engine, [first, second], new ManualClock(2000));
    assert.equal((await history(engine)).length, 2);
  }));

test("fail/migrate: a database that a newer program wrote", () =>
  withEngine(async (engine) => {
    await migrate(engine, [first, second], new ManualClock(1000));
    await assert.rejects(migrate(engine, [first], new ManualClock(2000)), {
      code: "store-newer",
      details: { applied: 2, known: 1 },
    });
  }));

test("ok/migrate: another process is faster", () =>
  withEngine(async (engine) => {
    const clock = new ManualClock(1000);
    let overtaken = false;
    const late: Engine = {
      ...engine,
      async commit(statements) {
        // Both have seen the same history, and the other one applies what follows first.
        if (!overtaken && statements.some(({ guard }) => guard !== undefined)) {
          overtaken = true;
          await migrate(engine, [first], clock);
          clock.advance(1000);
        }
        return engine.commit(statements);
      },
    };
    await migrate(late, [first, second], clock);
    assert.deepEqual(await history(engine), [
      { number: 1, name: "first", applied: 1000 },
      { number: 2, name: "second", applied: 2000 },
    ]);
  }));

test("fail/migrate: a migration that is lost to nobody", () =>
  withEngine(async (engine) => {
    await migrate(engine, [first], new ManualClock(1000));
    const blind: Engine = { ...engine, read: async () => [] };
    await rejectsWith("guard-lost", migrate(blind, [first], new ManualClock(2000)));
    assert.equal((await history(engine)).length, 1);
  }));

test("ok/migrations: numbered from 1 without a gap, each name once", () => {
  assert.deepEqual(
    migrations.map(({ number }) => number),
    migrations.map((_, index) => index + 1),
  );
  assert.equal(new Set(migrations.map(({ name }) => name)).size, migrations.length);
});

test("ok/migrations: every table carries a tenant that must exist, but the history and the vault's keys", () =>
  withEngine(async (engine) => {
    await migrate(engine, migrations, new ManualClock(1000));
    const free = await rows(
      engine,
      `SELECT name FROM sqlite_master AS tables
      WHERE type = 'table' AND name NOT IN ('tenants', 'migrations', 'vault_keys')
        AND NOT EXISTS (SELECT 1 FROM pragma_foreign_key_list(tables.name) WHERE "table" = 'tenants')`,
    );
    assert.deepEqual(free, []);
  }));

test("ok/migrations: the CA of the first schema becomes the first generation, its certificates stay", () =>
  withEngine(async (engine) => {
    await migrate(engine, migrations.slice(0, 1), new ManualClock(1000));
    const fill = [
      "INSERT INTO tenants VALUES ('a', 1)",
      "INSERT INTO authorities VALUES ('a', 'root', x'01', 'root', 2), ('a', 'issuing', x'02', 'issuing', 2)",
      "INSERT INTO certificates VALUES ('a', 'issuing', '4001', 'f0', x'03', 'CN=lamp', 'device', 3, 4, 'd1', 'r1')",
    ];
    await engine.commit(fill.map((sql) => ({ sql, parameters: [] })));
    await migrate(engine, migrations, new ManualClock(2000));
    const { authorities } = storeOver(engine);
    const first = { tenant: "a", state: "active", origin: "own", created: 2 } as const;
    assert.deepEqual((await authorities.list("a", { limit: 9 })).items, [
      { ...first, name: "issuing-1", role: "issuing", certificate: Uint8Array.of(2), key: "issuing" },
      { ...first, name: "root-1", role: "root", certificate: Uint8Array.of(1), key: "root" },
    ]);
    const certificate = await authorities.certificate("a", "issuing-1", "4001");
    assert.deepEqual(
      [certificate?.subject, certificate?.device, certificate?.revocation],
      ["CN=lamp", "d1", undefined],
    );
    await engine.commit(statementsOf([authorities.revoke("a", "issuing-1", "4001", 5, "keyCompromise")]));
  }));
