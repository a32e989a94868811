import assert from "node:assert/strict";
import { test } from "node:test";
import { rejectsWith } from "./conformance/fixtures.test-suite.ts";
import type { StoreErrorCode } from "./errors.ts";
import type { Answer, PostgresDatabase } from "./postgres-connection.ts";
import { checkServer } from "./postgres-server.ts";

const suitable = {
  version: "14.0",
  number: 140_000,
  encoding: "UTF8",
  fsync: "on",
  full_page_writes: "on",
  read_only: "off",
  holds_store: true,
};

/** A server with these settings, which must be left again. */
async function check(answer: Answer, create = true): Promise<void> {
  let open = 0;
  const database: PostgresDatabase = {
    shown: "postgres://ada@db/hatchery",
    read: () => assert.fail("nothing is read before the server is known"),
    async connect() {
      open += 1;
      return {
        run: async () => [answer],
        async close() {
          open -= 1;
        },
      };
    },
    close: async () => {},
  };
  try {
    await checkServer(database, create);
  } finally {
    assert.equal(open, 0);
  }
}

function settings(different: Partial<typeof suitable>): Answer {
  return { kind: "done", rows: [{ ...suitable, ...different }], changed: 1, command: "SELECT" };
}

test("ok/server: one that will do, with a store or without", async () => {
  await check(settings({}), false);
  await check(settings({ version: "18.1", number: 180_001, holds_store: false }));
});

const unsuitable: readonly (readonly [different: Partial<typeof suitable>, sentence: RegExp])[] = [
  [{ version: "13.9", number: 130_009 }, /is PostgreSQL 13\.9; the oldest that will do is 14: upgrade it$/],
  [{ encoding: "LATIN1" }, /has the encoding LATIN1; make one with: createdb --encoding=UTF8/],
  [{ encoding: "SQL_ASCII" }, /has the encoding SQL_ASCII/],
  [{ fsync: "off" }, /fsync or full_page_writes off, so a power cut would lose what was promised; set both on$/],
  [{ full_page_writes: "off" }, /fsync or full_page_writes off/],
  [{ read_only: "on" }, /takes no changes: it is a standby/],
];
for (const [different, message] of unsuitable)
  test(`fail/server: ${JSON.stringify(different)}`, () =>
    assert.rejects(check(settings(different)), { name: "StoreError", code: "store-unsuitable", message }));

const others: readonly (readonly [what: string, code: StoreErrorCode, answer: Answer])[] = [
  ["no store where there has to be one", "store-missing", settings({ holds_store: false })],
  ["a connection that breaks", "store-unreachable", { kind: "failed", error: new Error("read ECONNRESET") }],
];
for (const [what, code, answer] of others) test(`fail/server: ${what}`, () => rejectsWith(code, check(answer, false)));
