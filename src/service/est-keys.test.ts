import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "../core/bytes.ts";
import { listEstKeys, putEstKey, registeredKey, removeEstKey } from "./est-keys.ts";
import { vaultBench } from "./vault/fixtures.test-support.ts";

const key = new Uint8Array(32).fill(7);

/** A tenant with a vault of its own. */
async function house() {
  const { store, clock, open } = await vaultBench();
  const vault = await open();
  const acting = { tenant: "default", actor: "operator", store, vault, clock };
  const known = async (name: string, device: string, tenant = "default") => {
    const found = await registeredKey(tenant, utf8(name), device, { store, vault });
    return found && hex(found);
  };
  return { store, vault, acting, known };
}

test("ok/key: for the devices whose names fit, sealed, replaced and forgotten", async () => {
  const { store, vault, acting, known } = await house();
  await putEstKey(acting, { name: "line-3", key, devices: "lamp-*" });
  assert.equal(await known("line-3", "lamp-7"), hex(key));
  const stored = await store.authorities.key("default", "est-key/line-3");
  assert.ok(stored && !Buffer.from(stored.sealed).includes(Buffer.from(key)));
  await putEstKey(acting, { name: "line-3", key: key.subarray(0, 16), devices: "*" });
  assert.equal(await known("line-3", "door-1"), hex(key.subarray(0, 16)));
  assert.deepEqual(await listEstKeys("default", { store, vault }), [
    { name: "line-3", devices: "*", created: acting.clock.now() },
  ]);
  await removeEstKey(acting, "line-3");
  assert.equal(await known("line-3", "lamp-7"), undefined);
  const { items } = await store.audit.list("default", "oldest-first", { limit: 9 });
  assert.deepEqual(
    items.map(({ action, subject }) => `${action} ${subject}`),
    ["est-key-put line-3", "est-key-put line-3", "est-key-remove line-3"],
  );
});

test("fail/key: another device's, another tenant's, and names that are none", async () => {
  const { acting, known } = await house();
  await putEstKey(acting, { name: "line-3", key, devices: "lamp-*" });
  assert.equal(await known("line-3", "door-1"), undefined);
  assert.equal(await known("line-3", "lamp-7", "demo"), undefined);
  for (const name of ["line-4", "", "../line-3", "line-3\0", "LINE-3"])
    assert.equal(await known(name, "lamp-7"), undefined);
});

test("fail/key: names and sizes that are not taken, and one that is not there", async () => {
  const { acting } = await house();
  for (const name of ["", "a b", "a/b", "ü", "a".repeat(65)])
    await assert.rejects(putEstKey(acting, { name, key, devices: "*" }), { code: "invalid" });
  for (const length of [0, 15, 20, 33])
    await assert.rejects(putEstKey(acting, { name: "line-3", key: new Uint8Array(length), devices: "*" }), {
      code: "invalid",
    });
  await assert.rejects(removeEstKey(acting, "line-3"), { code: "not-found" });
});
