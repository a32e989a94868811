import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Engine } from "../../src/store/engine.ts";
import { postgresEngine } from "../../src/store/postgres.ts";
import { postgresDatabase } from "../../src/store/postgres-connection.ts";
import { parsePostgresUrl } from "../../src/store/postgres-url.ts";
import { prepareCommits } from "../../src/store/postgres-writer.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** What only the real driver and a real server show. */
describe("PostgreSQL: the engine", { timeout: 100_000 }, () => {
  let server: PostgresServer;
  let engine: Engine;
  before(async () => {
    server = await startPostgres();
    await server.create("engine");
    await server.query("postgres", "alter database engine set synchronous_commit = off");
    const database = postgresDatabase(parsePostgresUrl(server.url("engine")));
    await prepareCommits(database);
    engine = postgresEngine(database);
    await server.query("engine", "create table things (name text, size bigint, content bytea)");
  });
  after(async () => {
    await engine.close();
    await server.remove();
  });

  const read = (sql: string, ...parameters: readonly (string | number)[]) => engine.read<object>({ sql, parameters });

  test("ok/values: integers are numbers, bytes are plain arrays", async () => {
    const [row] = await read(
      "select 9007199254740991::int8 as a, -1::int8 as b, '\\x00ff7f'::bytea as c, ''::bytea as d",
    );
    const expected = { a: Number.MAX_SAFE_INTEGER, b: -1, c: Uint8Array.of(0, 255, 127), d: new Uint8Array(0) };
    assert.deepEqual({ ...row }, expected);
  });

  test("fail/values: an integer of more than 53 bits", async () => {
    await assert.rejects(read("select 9007199254740992::int8"), { code: "store-failed", message: /53 bits/ });
    assert.equal((await read("select 1 as one")).length, 1);
  });

  test("ok/settings: what is committed waits for the disk, whatever the database's default", async () => {
    await engine.commit([
      { sql: "insert into things (name) select current_setting('synchronous_commit')", parameters: [] },
    ]);
    assert.deepEqual(await read("select name from things"), [{ name: "on" }]);
    assert.deepEqual(await read("select current_setting('synchronous_commit') as here"), [{ here: "off" }]);
  });

  test("ok/statements: more shapes than are kept prepared", async () => {
    for (let index = 0; index < 300; index += 1)
      assert.deepEqual(await read(`select ${index} + $1::int as sum`, 1), [{ sum: index + 1 }]);
  });

  test("ok/statements: those that were prepared go on when another program has migrated their table", async () => {
    const all = () => Promise.all(Array.from({ length: 20 }, () => read("select * from things where name = $1", "on")));
    await all();
    await server.query("engine", "alter table things add column colour text");
    for (const rows of await all()) assert.deepEqual(Object.keys(rows[0] ?? {}), ["name", "size", "content", "colour"]);
  });

  test("fail/statements: what the server does not understand, and what it quotes", async () => {
    await assert.rejects(read("select nothing from nowhere"), {
      code: "store-failed",
      message: /"nowhere" does not exist/,
    });
    const secret = read("select 1 from things where size = $1", "s3cret");
    await assert.rejects(secret, (error: Error) => !error.message.includes("s3cret"));
  });

  test("ok/commits: a statement whose preparing fell to a change that failed", async () => {
    const insert = { sql: "insert into things (name, size) values ($1, 7)", parameters: ["fresh"] };
    const loser = {
      sql: "delete from things where size = $1",
      parameters: [99],
      guard: { rows: 1, lost: "nothing of that size" },
    };
    const settled = await Promise.allSettled([engine.commit([loser, insert]), engine.commit([insert])]);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["rejected", "fulfilled"],
    );
    assert.equal((await read("select 1 from things where size = 7")).length, 1);
  });

  test("ok/commits: a connection that lost its row to an administrator makes the change on another", async () => {
    await server.query("engine", "delete from commits");
    assert.equal(await engine.commit([{ sql: "update things set size = 1 where name = 'on'", parameters: [] }]), 1);
    assert.equal((await server.query("engine", "select session from commits")).length, 1);
  });
});
