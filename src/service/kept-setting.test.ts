import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { each } from "../store/paging.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { keptSetting } from "./kept-setting.ts";
import { keptProfiles, profileFor } from "./profiles.ts";

const start = 1_700_000_000_000;

/** Two services on one database, which share nothing but the file. */
async function withTwo(body: (here: Store, there: Store, clock: ManualClock) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "hatchery-kept-"));
  const file = join(directory, "hatchery.db");
  const clock = new ManualClock(start);
  const stores = [await openSqliteStore(file, { clock }), await openSqliteStore(file, { clock })] as const;
  try {
    await stores[0].commit(["a", "b"].map((tenant) => stores[0].tenants.ensure({ tenant, created: start })));
    await body(...stores, clock);
  } finally {
    for (const store of stores) await store.close();
    rmSync(directory, { recursive: true });
  }
}

function anchors(store: Store, clock: ManualClock, tenant = "a"): () => Promise<readonly string[]> {
  return keptSetting({ store, clock }, async () => {
    const names: string[] = [];
    for await (const { name } of each((page) => store.policy.anchors(tenant, page))) names.push(name);
    return names;
  });
}

function anchor(store: Store, name: string, tenant = "a") {
  const certificate = new Uint8Array(1);
  return store.policy.addAnchor({ tenant, id: name, name, purpose: "manufacturer", certificate, added: start });
}

test("ok/kept: what this process changes is seen by the next who asks", () =>
  withTwo(async (here, _, clock) => {
    const names = anchors(here, clock);
    await here.commit([anchor(here, "one")]);
    assert.deepEqual(await names(), ["one"]);
    await here.commit([anchor(here, "two")]);
    assert.deepEqual(await names(), ["one", "two"]);
    await here.commit([here.policy.removeAnchor("a", "one")]);
    assert.deepEqual(await names(), ["two"]);
    await here.commit([here.tenants.remove("a")]);
    assert.deepEqual(await names(), []);
  }));

test("ok/kept: what another process removes is gone a second later", () =>
  withTwo(async (here, there, clock) => {
    await here.commit([anchor(here, "one")]);
    const names = anchors(here, clock);
    assert.deepEqual(await names(), ["one"]);
    await there.commit([there.policy.removeAnchor("a", "one")]);
    clock.advance(999);
    assert.deepEqual(await names(), ["one"]);
    clock.advance(1);
    assert.deepEqual(await names(), []);
  }));

test("ok/kept: who asks during a reading shares it, and it is not used after a change", () =>
  withTwo(async (here, _, clock) => {
    let readings = 0;
    let go = () => {};
    const count = keptSetting({ store: here, clock }, async () => {
      readings += 1;
      const seen = readings;
      await new Promise<void>((resolve) => {
        go = resolve;
      });
      return seen;
    });
    const early = [count(), count()];
    await here.commit([anchor(here, "one")]);
    go();
    assert.deepEqual(await Promise.all(early), [1, 1]);
    const late = count();
    go();
    assert.equal(await late, 2);
    assert.equal(await count(), 2);
  }));

test("fail/kept: a reading that failed is not kept", () =>
  withTwo(async (here, _, clock) => {
    let broken = true;
    const answer = keptSetting({ store: here, clock }, async () => {
      if (broken) throw new TypeError("the database is away");
      return 1;
    });
    await assert.rejects(answer(), TypeError);
    broken = false;
    assert.equal(await answer(), 1);
  }));

test("ok/kept: one tenant's settings are not another's", () =>
  withTwo(async (here, _, clock) => {
    const names = ["a", "b"].map((tenant) => anchors(here, clock, tenant));
    await here.commit([anchor(here, "one", "b")]);
    assert.deepEqual(await Promise.all(names.map((read) => read())), [[], ["one"]]);
  }));

test("ok/profiles: by name and by label, of this tenant, changed and removed", () =>
  withTwo(async (here, _, clock) => {
    const kept = keptProfiles("a", { store: here, clock });
    const place = { protocol: "est", label: "sensors" };
    const named = (tenant: string) => profileFor(kept, tenant, "est", "sensors");
    assert.equal(await named("a"), undefined);
    await here.commit([
      here.profiles.put({ tenant: "a", name: "sensors", ...place, settings: { leastRsaBits: 3072 } }),
    ]);
    assert.equal((await named("a"))?.leastRsaBits, 3072);
    assert.equal(await named("b"), undefined);
    await here.commit([here.profiles.put({ tenant: "a", name: "device", settings: { leastRsaBits: 4096 } })]);
    assert.equal((await profileFor(kept, "a", "est", undefined))?.leastRsaBits, 4096);
    await here.commit([here.profiles.remove("a", "sensors")]);
    assert.equal(await named("a"), undefined);
  }));

for (const [what, change] of [
  [
    "a run",
    (store: Store) => store.audit.append({ tenant: "a", at: 1, actor: "x", action: "y", subject: "z", detail: {} }),
  ],
  [
    "an account",
    (store: Store) => store.estUsers.put({ tenant: "a", name: "ada", passwordHash: "h", devices: "*", created: 1 }),
  ],
] as const)
  test(`ok/kept: ${what} is no setting and costs no reading`, () =>
    withTwo(async (here) => {
      const before = here.settingsChanges();
      await here.commit([change(here)]);
      assert.equal(here.settingsChanges(), before);
    }));
