import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import type { Evidence } from "../protocols/ports.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import type { Store } from "../store/store.ts";
import { idevid, unproven } from "./evidence.test-support.ts";
import { claimSerial } from "./inventory.ts";
import { admitted, findKnown } from "./known-device.ts";

const tenant = "default";
const clock = new ManualClock(1_000);
const randomness = seededRandomness("known devices");

const second: Evidence = { ...idevid, name: "SN-2", serial: "SN-2", certificate: "c2", key: "k2" };
const user: Evidence = { ...unproven, credential: "password", name: "lamp", key: "k3" };

async function house() {
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: 1 })]);
  return {
    store,
    ruleAgainst: async (evidence: Evidence) => (await findKnown(store, tenant, evidence)).conflict?.rule,
    async admit(evidence: Evidence): Promise<string> {
      const known = await findKnown(store, tenant, evidence);
      assert.equal(known.conflict, undefined);
      const { device, writes } = admitted({ store, clock, randomness }, tenant, known, evidence);
      await store.commit(writes);
      return device;
    },
  };
}

test("ok/case: a serial number is one device's however it is written", async () => {
  const { store, admit } = await house();
  const claimed = await claimSerial(store, tenant, "SN-1", "ada", clock, randomness);
  assert.equal((await claimSerial(store, tenant, "sn-1", "ada", clock, randomness)).id, claimed.id);
  assert.equal(await admit({ ...idevid, name: "Sn-1", serial: "Sn-1" }), claimed.id);
  const { items } = await store.devices.identities(tenant, claimed.id, { limit: 9 });
  assert.equal(items.find(({ kind }) => kind === "serial")?.value, "SN-1");
});

for (const credential of ["password", "psk", "ra", "anonymous"] as const)
  test(`fail/case: a proven serial number in other letters, by ${credential}`, async () => {
    const { admit, ruleAgainst } = await house();
    await admit(idevid);
    assert.equal(await ruleAgainst({ ...user, credential, name: "sn-1" }), "no weaker credential");
  });

test("fail/case: a device that takes a proven serial number in other letters as its new name", async () => {
  const { admit, ruleAgainst } = await house();
  await admit(idevid);
  assert.equal(
    await ruleAgainst({ ...user, credential: "ldevid", newName: "sn-1", certifiedName: "sn-1" }),
    "one name, one device",
  );
});

test("ok/common name: certified beside the serial number, it is the device's from then on", async () => {
  const { store, admit } = await house();
  const named = { ...idevid, certifiedName: "Gateway-HQ" };
  const device = await admit(named);
  assert.equal(await admit(named), device);
  assert.deepEqual(await store.devices.identity(tenant, "name", "gateway-hq"), {
    tenant,
    kind: "name",
    value: "Gateway-HQ",
    device,
    provenBy: "idevid",
    issuer: "acme",
  });
});

for (const credential of ["password", "psk", "ra", "anonymous"] as const)
  test(`fail/common name: that of a device with a manufacturer's certificate, by ${credential}`, async () => {
    const { admit, ruleAgainst } = await house();
    await admit({ ...idevid, certifiedName: "gateway-hq" });
    assert.equal(await ruleAgainst({ ...user, credential, name: "Gateway-HQ" }), "no weaker credential");
  });

test("fail/common name: another device's name, serial number or claim, for a manufacturer's certificate", async () => {
  const { store, admit, ruleAgainst } = await house();
  await admit({ ...user, name: "gateway-hq" });
  await claimSerial(store, tenant, "SN-9", "ada", clock, randomness);
  for (const certifiedName of ["Gateway-HQ", "sn-9"])
    assert.equal(await ruleAgainst({ ...idevid, certifiedName }), "one name, one device");
  assert.equal(await ruleAgainst({ ...idevid, name: "gateway-hq", serial: "gateway-hq" }), "one name, one device");
});

test("ok/common name: that of a model, for all devices of its manufacturer", async () => {
  const { admit } = await house();
  assert.notEqual(
    await admit({ ...idevid, certifiedName: "Model X" }),
    await admit({ ...second, certifiedName: "model x" }),
  );
});

for (const [name, change] of [
  ["by another manufacturer", { issuer: "other" }],
  ["as a host name", { hostName: true }],
] as const)
  test(`fail/common name: that of another device's certificate, ${name}`, async () => {
    const { admit, ruleAgainst } = await house();
    await admit({ ...idevid, certifiedName: "gateway-hq" });
    assert.equal(await ruleAgainst({ ...second, certifiedName: "gateway-hq", ...change }), "one name, one device");
  });

test("ok/an equal request that is granted while this one looks is no conflict with itself", async () => {
  // Granted before the first look, between any two, or not at all.
  for (const evidence of [idevid, { ...idevid, certifiedName: "gateway-hq" }, user])
    for (let between = 0; between < 4; between += 1) {
      const { store, admit } = await house();
      let reads = 0;
      const late =
        <Args extends readonly unknown[], T>(read: (...args: Args) => Promise<T>) =>
        async (...args: Args) => {
          if (reads === between) await admit(evidence);
          reads += 1;
          return read(...args);
        };
      const { devices } = store;
      const slow: Store = {
        ...store,
        devices: {
          ...devices,
          find: late(devices.find),
          findByIdentity: late(devices.findByIdentity),
          identity: late(devices.identity),
          identified: late(devices.identified),
        },
      };
      assert.equal((await findKnown(slow, tenant, evidence)).conflict, undefined);
      await store.close();
    }
});
