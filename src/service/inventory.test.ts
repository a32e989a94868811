import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { claimSerial } from "./inventory.ts";

const tenant = "default";

async function house() {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  const anchor = (name: string) =>
    store.policy.addAnchor({
      tenant,
      id: name,
      name,
      purpose: "manufacturer",
      certificate: Uint8Array.of(0x30, 0),
      added: 1,
    });
  await store.commit([store.tenants.ensure({ tenant, created: 1 }), anchor("acme"), anchor("bolt")]);
  const randomness = seededRandomness("inventory");
  return {
    store,
    claim: (serial: string, issuer?: string) => claimSerial(store, tenant, serial, "ada", clock, randomness, issuer),
    identity: (serial: string) => store.devices.identity(tenant, "serial", serial),
  };
}

test("ok/claim: again is the same device", async () => {
  const { claim } = await house();
  const first = await claim(" SN-1 ");
  assert.equal(first.name, "SN-1");
  assert.deepEqual(await claim("SN-1"), first);
});

test("ok/claim: with an issuer, which a claim without one does not take away", async () => {
  const { claim, identity } = await house();
  const { id } = await claim("SN-1", "acme");
  await claim("SN-1");
  const { issuer, provenBy, device } = (await identity("SN-1")) ?? {};
  assert.deepEqual([issuer, provenBy, device], ["acme", "claimed", id]);
});

test("ok/claim: the issuer is noted later, and may be corrected", async () => {
  const { claim, identity } = await house();
  const { id } = await claim("SN-1");
  for (const issuer of ["bolt", "acme"]) {
    assert.equal((await claim("SN-1", issuer)).id, id);
    assert.equal((await identity("SN-1"))?.issuer, issuer);
  }
});

test("fail/claim: for another issuer than the one that has proven the serial number", async () => {
  const { store, claim, identity } = await house();
  const { id } = await claim("SN-1");
  const proven = {
    tenant,
    kind: "serial",
    value: "SN-1",
    device: id,
    provenBy: "idevid",
    issuer: "bolt",
  } as const;
  await store.commit([store.devices.addIdentity(proven)]);
  await assert.rejects(claim("SN-1", "acme"), { code: "conflict" });
  assert.equal((await claim("SN-1", "bolt")).id, id);
  assert.deepEqual(await identity("SN-1"), proven);
});

for (const [name, serial, issuer] of [
  ["a space", "SN 1", undefined],
  ["a wildcard", "SN-*", undefined],
  ["nothing", "  ", undefined],
  ["65 characters", "x".repeat(65), undefined],
  ["an issuer that nobody trusts", "SN-1", "acne"],
] as const)
  test(`fail/claim: ${name}`, async () => {
    const { claim, identity } = await house();
    await assert.rejects(claim(serial, issuer), { code: "invalid" });
    assert.equal(await identity(serial), undefined);
  });
