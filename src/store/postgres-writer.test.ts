import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { type Clock, ManualClock, systemClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { StoreError } from "./errors.ts";
import type { Change } from "./group-commit.ts";
import { type PgliteServer, startPglite } from "./pglite.test-support.ts";
import type { PostgresConnection, PostgresDatabase } from "./postgres-connection.ts";
import { type PostgresWriter, postgresWriter, prepareCommits } from "./postgres-writer.ts";

let server: PgliteServer;
before(async () => {
  server = await startPglite();
  await prepareCommits(server.database());
  await server.run("create table things (name text primary key, writes int not null default 1)");
});
beforeEach(() => server.run("delete from things; delete from commits"));
after(() => server.close());

/** Counts how often it was applied; the guard is lost by nobody. */
function thing(name: string): Change {
  const sql = "insert into things (name) values ($1) on conflict (name) do update set writes = things.writes + 1";
  return [{ sql, parameters: [name], guard: { rows: 1, lost: "lost" } }];
}

const loser: Change = [
  { sql: "update things set writes = 9", parameters: [] },
  {
    sql: "delete from things where name = $1",
    parameters: ["nobody"],
    guard: { rows: 1, lost: "nobody is not there" },
  },
];

async function things(): Promise<readonly string[]> {
  const rows = await server.database().read<{ name: string; writes: number }>({
    sql: "select name, writes from things order by name",
    parameters: [],
  });
  return rows.map(({ name, writes }) => `${name} ${writes}`);
}

function writerOn(database: PostgresDatabase, clock: Clock = systemClock): PostgresWriter {
  return postgresWriter(database, { clock, randomness: seededRandomness("writer") });
}

/** Which request of the connections breaks, and whether the server still gets it. */
interface Cut {
  readonly nth: number;
  readonly reached: boolean;
}

/** A database whose connections break where `cuts` says; what breaks answers nothing more, and its transaction ends. */
function breaking(cuts: readonly Cut[]): { readonly database: PostgresDatabase; readonly requests: () => number } {
  let requests = 0;
  const inner = server.database();
  const connect = async (): Promise<PostgresConnection> => {
    const connection = await inner.connect();
    let broken = false;
    return {
      async run(asked) {
        requests += 1;
        const cut = cuts.find(({ nth }) => nth === requests);
        if (!broken && cut === undefined) return connection.run(asked);
        if (!broken && cut?.reached === true) await connection.run(asked);
        broken = true;
        // As the server does when it sees that the client is gone.
        await connection.run([{ text: "rollback" }]);
        return asked.map(() => ({ kind: "failed", error: new Error("Connection terminated unexpectedly") }));
      },
      close: () => connection.close(),
    };
  };
  return { database: { ...inner, connect }, requests: () => requests };
}

test("ok/writer: outcomes in order, and nothing of a change that failed", async () => {
  const writer = writerOn(server.database());
  const outcomes = await writer.apply([thing("a"), loser, thing("b")]);
  assert.deepEqual([outcomes[0], outcomes[2]], [1, 1]);
  assert.ok(outcomes[1] instanceof StoreError && outcomes[1].code === "guard-lost");
  assert.equal(outcomes[1].message, "nobody is not there");
  assert.deepEqual(await things(), ["a 1", "b 1"]);
  await writer.close();
});

test("ok/writer: leaves nothing behind", async () => {
  const writer = writerOn(server.database());
  await writer.apply([thing("a")]);
  await writer.close();
  const rows = await server.database().read({ sql: "select session from commits", parameters: [] });
  assert.deepEqual(rows, []);
});

test("ok/writer: wherever the connection breaks, each change is there once, and its outcome is right", async (t) => {
  const whole = breaking([]);
  const writer = writerOn(whole.database);
  for (const name of ["a", "b"]) await writer.apply([thing(name), loser]);
  const total = whole.requests();
  assert.equal(total, 5, "one to register, two for each transaction");
  // Each place alone, and each pair of places: the second one strikes what mends the first.
  const places = Array.from({ length: total + 3 }, (_, index) => index + 1).flatMap((nth) =>
    [false, true].map((reached) => ({ nth, reached })),
  );
  const plans = places.flatMap((first) => [
    [first],
    ...places.filter(({ nth }) => nth > first.nth).map((second) => [first, second]),
  ]);
  for (const cuts of plans) {
    await server.run("delete from things; delete from commits");
    const broken = writerOn(breaking(cuts).database);
    const expected: string[] = [];
    for (const name of ["a", "b"]) {
      const [kept, lost] = await broken.apply([thing(name), loser]);
      if (kept === 1) expected.push(`${name} 1`);
      // Only a connection that breaks while it is opened is not tried again: nothing was asked of it yet.
      else assert.ok(kept instanceof StoreError && kept.code === "store-unreachable", JSON.stringify(cuts));
      assert.ok(lost instanceof StoreError && ["guard-lost", "store-unreachable"].includes(lost.code));
    }
    assert.deepEqual(await things(), expected, JSON.stringify(cuts));
    await broken.close();
  }
  t.diagnostic(`${plans.length} ways to break`);
});

test("fail/writer: a database that cannot be asked any more", async () => {
  const inner = breaking([{ nth: 3, reached: true }]).database;
  let opened = 0;
  const clock = new ManualClock(0);
  const impatient: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    sleep: async (milliseconds) => clock.advance(milliseconds),
  };
  const writer = writerOn(
    {
      ...inner,
      async connect() {
        opened += 1;
        if (opened > 1) throw new StoreError("store-unreachable", "gone");
        return inner.connect();
      },
    },
    impatient,
  );
  const [outcome] = await writer.apply([thing("a")]);
  assert.ok(outcome instanceof StoreError && outcome.code === "commit-unknown");
  assert.ok(opened > 100, "it was asked again and again");
  await writer.close();
});

test("fail/writer: no connection at all", async () => {
  const gone = new StoreError("store-unreachable", "gone");
  const writer = writerOn({ ...server.database(), connect: () => Promise.reject(gone) });
  assert.deepEqual(await writer.apply([thing("a"), thing("b")]), [gone, gone]);
  await writer.close();
});

test("ok/writer: a change that met another transaction is made again, the others once", async () => {
  let deadlocks = 2;
  const inner = server.database();
  const connect = async (): Promise<PostgresConnection> => {
    const connection = await inner.connect();
    return {
      ...connection,
      async run(requests) {
        const victim = requests.findIndex(({ values }) => values?.[0] === "victim");
        if (victim === -1 || deadlocks === 0) return connection.run(requests);
        deadlocks -= 1;
        const raised = { text: "do $$ begin raise sqlstate '40P01'; end $$" };
        return connection.run(requests.with(victim, raised));
      },
    };
  };
  const writer = writerOn({ ...inner, connect });
  assert.deepEqual(await writer.apply([thing("a"), thing("victim"), thing("b")]), [1, 1, 1]);
  assert.deepEqual(await things(), ["a 1", "b 1", "victim 1"]);
  deadlocks = 3;
  const [, outcome] = await writer.apply([thing("a"), thing("victim")]);
  assert.ok(outcome instanceof StoreError && outcome.code === "store-failed");
  await writer.close();
});

test("ok/writer: a connection whose row was removed is left, and the change made on another", async () => {
  const writer = writerOn(server.database());
  await writer.apply([thing("a")]);
  await server.run("delete from commits");
  assert.deepEqual(await writer.apply([thing("b")]), [1]);
  assert.deepEqual(await things(), ["a 1", "b 1"]);
  await writer.close();
});

test("fail/writer: a COMMIT that arrives after its connection was given up", async () => {
  const inner = server.database();
  const late: (() => Promise<unknown>)[] = [];
  const connect = async (): Promise<PostgresConnection> => {
    const connection = await inner.connect();
    return {
      ...connection,
      async run(requests) {
        if (late.length > 0 || requests.at(-1)?.text !== "commit") return connection.run(requests);
        // The network holds it back, and tells the client that it is over. PGlite has one session only, so that the
        // statements before it are sent again when it arrives.
        await connection.run([{ text: "rollback" }]);
        late.push(() => connection.run([{ text: "begin" }, ...requests]));
        return requests.map(() => ({ kind: "failed", error: new Error("read ECONNRESET") }));
      },
    };
  };
  const writer = writerOn({ ...inner, connect });
  assert.deepEqual(await writer.apply([thing("a")]), [1]);
  const answers = (await late[0]?.()) as readonly { readonly command?: string }[];
  assert.equal(answers.at(-1)?.command, "ROLLBACK");
  assert.deepEqual(await things(), ["a 1"]);
  await writer.close();
});
