import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { credentialsOf, putEstUser } from "./est-users.ts";

const tenant = "default";
const lamp = { tenant, name: "lamp", password: "correct horse", devices: "lamp-*" };

async function house() {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: 1 })]);
  const randomness = seededRandomness("users");
  await putEstUser(store, lamp, "ada", clock, randomness);
  return { clock, store, randomness, credentials: credentialsOf(tenant, store, clock, randomness) };
}

test("ok/password: right, wrong, of nobody", async () => {
  const { credentials } = await house();
  assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.1"), { devices: "lamp-*" });
  assert.equal(await credentials.verifyPassword("lamp", "correct horsf", "192.0.2.1"), undefined);
  assert.equal(await credentials.verifyPassword("nobody", "correct horse", "192.0.2.1"), undefined);
});

test("ok/password: who guesses is shut out for a minute, and nobody else is", async () => {
  const { clock, credentials } = await house();
  for (let guess = 0; guess < 10; guess += 1) await credentials.verifyPassword("lamp", `guess ${guess}`, "192.0.2.1");
  assert.equal(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.1"), undefined);
  assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.2"), { devices: "lamp-*" });
  clock.advance(60_001);
  assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.1"), { devices: "lamp-*" });
});

for (const [name, change] of [
  ["a colon in the name", { name: "a:b" }],
  ["a space in the name", { name: "a b" }],
  ["no name", { name: "" }],
  ["a short password", { password: "1234567" }],
  ["an endless password", { password: "x".repeat(129) }],
] as const) {
  test(`fail/user: ${name}`, async () => {
    const { store, clock, randomness } = await house();
    await assert.rejects(putEstUser(store, { ...lamp, ...change }, "ada", clock, randomness), { code: "invalid" });
  });
}
