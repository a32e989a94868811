import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { brokenLink, type ChainedLine, emptyChain, lineHash } from "./audit-chain.ts";
import { auditEntry } from "./conformance/fixtures.test-suite.ts";
import type { Engine } from "./engine.ts";
import { migrate } from "./migrate.ts";
import { migrations } from "./migrations.ts";
import { sqliteEngine } from "./sqlite.ts";
import { openSqliteConnection } from "./sqlite-connection.ts";
import { type Store, storeOver } from "./store.ts";

const line = { tenant: "a", sequence: 1, at: 10, actor: "x", action: "y", subject: "z", detail: "{}" };

async function withStore(body: (store: Store, engine: Engine) => Promise<void>, schema = migrations.length) {
  const engine = sqliteEngine(openSqliteConnection(":memory:"));
  try {
    await migrate(engine, migrations.slice(0, schema), new ManualClock(1));
    await body(storeOver(engine), engine);
  } finally {
    await engine.close();
  }
}

function run(engine: Engine, sql: string, ...parameters: readonly (string | number)[]): Promise<number> {
  return engine.commit([{ sql, parameters }]);
}

test("ok/audit chain: the hash covers every column and the line before", () => {
  // printf "1:a1:12:101:x1:y1:z2:{}" | sha256sum
  const hash = lineHash("", line);
  assert.equal(hash, "942cce850df53144a9633f021c9378da70f2f84dee2e2c47186551155c183588");
  const others: readonly string[] = [
    lineHash("00", line),
    ...Object.keys(line).map((column) => lineHash("", { ...line, [column]: column === "sequence" ? 2 : "other" })),
    // The same characters, divided otherwise.
    lineHash("", { ...line, actor: "xy", action: "" }),
  ];
  assert.equal(new Set([hash, ...others]).size, others.length + 1);
});

test("fail/audit chain: changed, missing and moved lines", () => {
  const first: ChainedLine = { ...line, hash: lineHash("", line) };
  const next = { ...line, sequence: 2, action: "then" };
  const second: ChainedLine = { ...next, hash: lineHash(first.hash, next) };
  assert.equal(brokenLink(emptyChain, first), undefined);
  assert.equal(brokenLink(first, second), undefined);
  assert.equal(brokenLink(emptyChain, second), "missing");
  assert.equal(brokenLink(first, first), "missing");
  assert.equal(brokenLink(first, { ...second, subject: "somebody else" }), "changed");
  assert.equal(brokenLink({ ...first, hash: second.hash }, second), "changed");
});

const tamperings: readonly {
  readonly name: string;
  readonly sql: string;
  readonly sequence: number;
  readonly kind: string;
}[] = [
  {
    name: "a subject changed",
    sql: "update audit set subject = 'other' where sequence = 3",
    sequence: 3,
    kind: "changed",
  },
  { name: "a time changed", sql: "update audit set at = at + 1 where sequence = 5", sequence: 5, kind: "changed" },
  {
    name: "a detail changed",
    sql: `update audit set detail = '{"rule":2}' where sequence = 1`,
    sequence: 1,
    kind: "changed",
  },
  { name: "a line removed", sql: "delete from audit where sequence = 4", sequence: 4, kind: "missing" },
  { name: "the first line removed", sql: "delete from audit where sequence = 1", sequence: 1, kind: "missing" },
  {
    name: "a line removed and the others moved up",
    sql: "update audit set sequence = sequence - 1 where sequence > 6",
    sequence: 6,
    kind: "changed",
  },
  {
    name: "a line made anew with a hash of its own",
    sql: "update audit set actor = 'nobody', hash = sha256('whatever') where sequence = 2",
    sequence: 2,
    kind: "changed",
  },
  {
    name: "the line of another tenant",
    sql: "insert into audit select 'a', 8, at, actor, action, subject, detail, hash from audit where tenant = 'b'",
    sequence: 8,
    kind: "changed",
  },
];

for (const { name, sql, sequence, kind } of tamperings)
  test(`fail/audit chain: ${name}`, () =>
    withStore(async (store, engine) => {
      await store.commit(["a", "b"].map((tenant) => store.tenants.ensure({ tenant, created: 1 })));
      await store.commit(Array.from({ length: 7 }, (_, index) => store.audit.append(auditEntry(`action ${index}`))));
      await store.commit([store.audit.append(auditEntry("elsewhere", { tenant: "b" }))]);
      const { head } = await store.audit.verify("a", emptyChain);
      assert.equal(head.sequence, 7);
      if (name.includes("moved up")) await run(engine, "delete from audit where tenant = 'a' and sequence = 6");
      assert.ok((await run(engine, sql)) > 0);
      const section = await store.audit.verify("a", emptyChain);
      assert.deepEqual(section.broken, { sequence, kind });
      assert.equal(section.head.sequence, sequence - 1);
    }));

test("fail/audit chain: a cut end shows against a head that was noted", () =>
  withStore(async (store, engine) => {
    await store.commit([store.tenants.ensure({ tenant: "a", created: 1 })]);
    await store.commit(["one", "two", "three"].map((action) => store.audit.append(auditEntry(action))));
    const noted = await store.audit.head("a");
    await run(engine, "delete from audit where sequence = 3");
    assert.deepEqual((await store.audit.verify("a", emptyChain)).broken, undefined);
    assert.equal(await store.audit.hashAt("a", noted?.sequence ?? 0), undefined);
  }));

test("ok/migrate: the lines that an older version wrote are chained", () =>
  withStore(async (_, engine) => {
    await run(engine, "insert into tenants (tenant, created) values ('a', 1), ('b', 1)");
    for (const tenant of ["a", "b"])
      for (let sequence = 1; sequence <= 700; sequence += 1)
        await run(
          engine,
          "insert into audit (tenant, sequence, at, actor, action, subject, detail) values (?, ?, ?, 'x', 'y', ?, '{}')",
          tenant,
          sequence,
          sequence * 10,
          `Gerät ${sequence}`,
        );
    await migrate(engine, migrations, new ManualClock(2));
    const store = storeOver(engine);
    for (const tenant of ["a", "b"]) {
      const first = await store.audit.verify(tenant, emptyChain);
      const second = await store.audit.verify(tenant, first.head);
      assert.deepEqual([second.head.sequence, second.done, second.broken], [700, true, undefined]);
      await store.commit([store.audit.append(auditEntry("after", { tenant }))]);
      assert.equal((await store.audit.verify(tenant, second.head)).head.sequence, 701);
    }
  }, 1));
