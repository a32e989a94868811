import assert from "node:assert/strict";
import { test } from "node:test";
import { sql } from "kysely";
import { ManualClock } from "../../core/clock.ts";
import { emptyChain } from "../audit-chain.ts";
import type { Engine } from "../engine.ts";
import { migrate } from "../migrate.ts";
import { migrations } from "../migrations.ts";
import type { IdentityKind } from "../records.ts";
import { compiled, written } from "../statement.ts";
import { storeOver } from "../store.ts";
import { bytes } from "./fixtures.test-suite.ts";

/** The released history of the schema. `open` opens an engine on a database without any table each time. */
export function migrationsConformance(open: () => Promise<Engine>): void {
  const engineTest = (name: string, body: (engine: Engine) => Promise<void>) =>
    test(name, async () => {
      const engine = await open();
      try {
        await body(engine);
      } finally {
        await engine.close();
      }
    });

  engineTest("ok/migrations: from an empty database, then again without effect", async (engine) => {
    await migrate(engine, migrations, new ManualClock(1000));
    await migrate(engine, migrations, new ManualClock(2000));
    const rows = await engine.read(compiled(engine.queries.selectFrom("migrations").selectAll().orderBy("number")));
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      migrations.map(({ number, name }) => ({ number, name, applied: 1000 })),
    );
  });

  engineTest("ok/migrations: a database of the first version keeps what it holds", async (engine) => {
    await migrate(engine, migrations.slice(0, 1), new ManualClock(1000));
    await engine.commit(firstRecords.map((record) => compiled(written(engine.queries, record))));
    await migrate(engine, migrations, new ManualClock(2000));

    const store = storeOver(engine);
    assert.equal((await store.devices.findByIdentity("a", "serial", "SN-1"))?.id, "d1");
    assert.deepEqual((await store.policy.rules("a", { limit: 9 })).items[0]?.match, { protocol: "est" });
    assert.equal((await store.approvals.find("a", "1"))?.state, "pending");
    assert.deepEqual((await store.authorities.key("a", "root"))?.sealed, bytes("sealed"));
    assert.deepEqual((await store.authorities.list("a", { limit: 9 })).items[0]?.certificate, bytes("authority"));
    assert.deepEqual((await store.sessions.load("a", "est", "k", 10))?.data, bytes("data"));
    assert.deepEqual((await store.runs.find("a", "r1"))?.run, bytes("{}"));
    const { items } = await store.audit.list("a", "oldest-first", { limit: 9 });
    assert.deepEqual(
      items.map(({ action }) => action),
      ["claim", "granted"],
    );
    const { head, done, broken } = await store.audit.verify("a", emptyChain);
    assert.deepEqual([head, done, broken], [{ sequence: 2, hash: items[1]?.hash }, true, undefined]);
  });

  engineTest(
    "ok/migrations: serial numbers that are there are found in any case, each by one device",
    async (engine) => {
      await migrate(engine, migrations.slice(0, 6), new ManualClock(1000));
      await engine.commit(caseRecords.map((record) => compiled(written(engine.queries, record))));
      await migrate(engine, migrations, new ManualClock(2000));
      const { devices } = storeOver(engine);
      const owner = async (tenant: string, kind: IdentityKind, value: string) => {
        const found = await devices.identity(tenant, kind, value);
        return found && [found.device, found.value];
      };
      assert.deepEqual(await owner("a", "serial", "sn-1"), ["d1", "SN-1"]);
      assert.deepEqual(await owner("a", "serial", "Sn-1"), ["d1", "SN-1"]);
      assert.deepEqual(await owner("a", "serial", "SN-2"), ["d2", "sn-2"]);
      assert.deepEqual(await owner("a", "serial", "sn-3"), ["d3", "SN-3"]);
      assert.deepEqual(await owner("a", "name", "LAMP"), ["d1", "Lamp"]);
      assert.deepEqual(await owner("a", "endpoint", "Lamp-1"), ["d1", "Lamp-1"]);
      assert.deepEqual(await owner("b", "serial", "sn-1"), ["d2", "SN-1"]);
      const { items } = await devices.identities("a", "d2", { limit: 9 });
      assert.deepEqual(
        items.map(({ value }) => value),
        ["Sn-1", "sn-2"],
      );
    },
  );
}

/** Identities of the schema before serial numbers were folded: some differ in case alone. */
const caseRecords = [
  sql`insert into tenants (tenant, created) values ('a', 1), ('b', 1)`,
  ...["a", "b"].flatMap((tenant) =>
    ["d1", "d2", "d3"].map(
      (id) => sql`insert into devices (tenant, id, name, lifecycle, created, updated)
        values (${tenant}, ${id}, 'lamp', 'operational', 1, 2)`,
    ),
  ),
  ...[
    ["a", "serial", "SN-1", "d1"],
    ["a", "serial", "Sn-1", "d2"],
    ["a", "serial", "SN-2", "d1"],
    ["a", "serial", "sn-2", "d2"],
    ["a", "serial", "SN-3", "d3"],
    ["a", "name", "Lamp", "d1"],
    ["a", "endpoint", "Lamp-1", "d1"],
    ["b", "serial", "SN-1", "d2"],
  ].map(
    ([tenant, kind, value, device]) => sql`insert into identities (tenant, kind, value, device, proven_by, issuer)
      values (${tenant}, ${kind}, ${value}, ${device}, 'idevid', 'acme')`,
  ),
];

/** As the first version wrote them: the program that did is gone, and so is its schema. */
const firstRecords = [
  sql`insert into tenants (tenant, created) values ('a', 1)`,
  sql`insert into devices (tenant, id, name, lifecycle, created, updated) values ('a', 'd1', 'lamp', 'operational', 1, 2)`,
  sql`insert into identities (tenant, kind, value, device, proven_by) values ('a', 'serial', 'SN-1', 'd1', 'claimed')`,
  sql`insert into rules (tenant, id, position, verdict, match, created)
    values ('a', '1', 1, 'allow', '{"protocol":"est"}', 1)`,
  sql`insert into approvals (tenant, id, protocol, subject, evidence, state, run, created)
    values ('a', '1', 'est', 'k', '{}', 'pending', 'r1', 1)`,
  sql`insert into sealed_keys (tenant, name, sealed) values ('a', 'root', ${bytes("sealed")})`,
  sql`insert into authorities (tenant, name, certificate, key, created)
    values ('a', 'root', ${bytes("authority")}, 'root', 1)`,
  sql`insert into certificates
    (tenant, authority, serial, fingerprint, certificate, subject, profile, not_before, not_after, device, run)
    values ('a', 'root', '01', 'f', ${bytes("certificate")}, 'CN=lamp', 'device', 1, 2, 'd1', 'r1')`,
  sql`insert into sessions (tenant, protocol, key, version, data, expires)
    values ('a', 'est', 'k', 1, ${bytes("data")}, 99)`,
  sql`insert into runs (tenant, id, protocol, variant, device, label, started, ended, outcome, reason, run)
    values ('a', 'r1', 'est', 'est/idevid', 'd1', 'lamp', 1, 2, 'granted', 'claimed', ${bytes("{}")})`,
  sql`insert into audit (tenant, sequence, at, actor, action, subject, detail)
    values ('a', 1, 1, 'administrator', 'claim', 'lamp', '{}')`,
  sql`insert into audit (tenant, sequence, at, actor, action, subject, detail)
    values ('a', 2, 2, 'est', 'granted', 'lamp', '{"run":"r1"}')`,
];
