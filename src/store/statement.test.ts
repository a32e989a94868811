import assert from "node:assert/strict";
import { test } from "node:test";
import { sqliteEngine } from "./sqlite.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import { compiled, guarded, prepared, statementsOf, write } from "./statement.ts";

const { queries } = sqliteEngine(openSqliteConnection(":memory:"));

test("ok/prepared: compiled once, bound by name, constants kept in place", () => {
  let builds = 0;
  const rename = prepared((p: { tenant: string; name: string; updated?: number }) => {
    builds += 1;
    return queries
      .updateTable("devices")
      .set({ name: p.name, lifecycle: "reset" })
      .where("updated", "=", p.updated!)
      .where("tenant", "=", p.tenant);
  });
  assert.equal(builds, 0);
  assert.deepEqual(rename({ tenant: "a", name: "Lamp", updated: 5 }).parameters, ["Lamp", "reset", 5, "a"]);
  const second = rename({ tenant: "b", name: "Door" });
  assert.deepEqual(second.parameters, ["Door", "reset", null, "b"]);
  assert.match(second.sql, /^update "devices" set "name" = \?, "lifecycle" = \?/);
  assert.equal(builds, 1);
});

test("ok/write: statements in order, of all writes", () => {
  const query = compiled(queries.deleteFrom("devices").where("tenant", "=", "a"));
  const one = guarded(query, "gone");
  assert.deepEqual(one.guard, { rows: 1, lost: "gone" });
  assert.deepEqual(statementsOf([write(one, query), write(query)]), [one, query, query]);
});
