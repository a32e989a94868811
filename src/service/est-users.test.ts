import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ManualClock } from "../core/clock.ts";
import { seededRandomness } from "../core/randomness.ts";
import { realm } from "../protocols/est/constants.ts";
import { digestResponse, digestSecret } from "../protocols/est/keys-digest.ts";
import { openSqliteStore } from "../store/sqlite.ts";
import { credentialsOf, putEstUser } from "./est-users.ts";
import { fairQueue } from "./fair-queue.ts";
import { unsealed } from "./vault/fixtures.test-support.ts";

const tenant = "default";
const cheapSalt = Buffer.alloc(16);
const cheapHash = [
  "scrypt$2$8$1",
  cheapSalt.toString("base64url"),
  scryptSync("correct horse", cheapSalt, 32, { N: 2, r: 8, p: 1 }).toString("base64url"),
].join("$");
const lamp = { tenant, name: "lamp", password: "correct horse", devices: "lamp-*" };

async function house() {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([store.tenants.ensure({ tenant, created: 1 })]);
  const randomness = seededRandomness("users");
  const parts = { store, vault: unsealed, clock, randomness };
  await putEstUser(lamp, "ada", parts);
  /** A user with the same password under a hash that costs nothing. */
  const cheap = (name: string) =>
    store.commit([store.estUsers.put({ tenant, name, passwordHash: cheapHash, devices: "*", created: 1 })]);
  return { clock, store, parts, cheap, credentials: credentialsOf(tenant, parts) };
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

test("fail/password: guesses that are made at the same time pass no limit together", async () => {
  const { credentials } = await house();
  const guesses = ["wrong 1", "wrong 2", "wrong 3", "wrong 4", "wrong 5", "wrong 6", "wrong 7", "wrong 8", "wrong 9"];
  const all = [...guesses, "wrong 10", "correct horse"].map((guess) =>
    credentials.verifyPassword("lamp", guess, "192.0.2.1"),
  );
  assert.deepEqual(await Promise.all(all), Array(11).fill(undefined));
});

test("ok/password: who is right counts for nothing, however often at the same time", async () => {
  const { cheap, credentials } = await house();
  await cheap("fleet");
  const logins = Array.from({ length: 40 }, () => credentials.verifyPassword("fleet", "correct horse", "192.0.2.1"));
  assert.deepEqual(await Promise.all(logins), Array(40).fill({ devices: "*" }));
});

/** Right and wrong Digests of lamp's, each under a nonce count of its own. */
async function digests(at: Awaited<ReturnType<typeof house>>, passwords: readonly string[]) {
  const { parts } = at;
  await putEstUser({ ...lamp, digest: "sha-256" }, "ada", parts);
  // The store answers when all that was asked at once is under way, as one over a network does.
  const store = {
    ...parts.store,
    estUsers: {
      ...parts.store.estUsers,
      find: (...of: [string, string]) => turn().then(() => parts.store.estUsers.find(...of)),
    },
  };
  const credentials = credentialsOf(tenant, { ...parts, store });
  const [offer = ""] = await credentials.challenges(false);
  const nonce = /nonce="([^"]+)"/.exec(offer)?.[1] ?? assert.fail("no nonce");
  return Promise.all(
    passwords.map((password, index) => {
      const nc = (index + 1).toString(16).padStart(8, "0");
      const asked = {
        user: "lamp",
        algorithm: "SHA-256",
        method: "POST",
        uri: "/",
        nonce,
        nc,
        cnonce: "c0ffee",
      } as const;
      const response = digestResponse(digestSecret("SHA-256", "lamp", realm, password), asked);
      return credentials.verifyDigest({ ...asked, response }, "192.0.2.1");
    }),
  );
}

test("ok/digest: who is right counts for nothing, however often at the same time", async () => {
  const answers = await digests(await house(), Array(150).fill("correct horse"));
  assert.deepEqual(answers, Array(150).fill({ devices: "lamp-*" }));
});

test("fail/digest: guesses that are made at the same time pass no limit together", async () => {
  const answers = await digests(await house(), [...Array(10).fill("wrong"), "correct horse"]);
  assert.deepEqual(answers, Array(11).fill(undefined));
});

test("ok/password: a clock that is set back prolongs no lockout", async () => {
  const { clock, parts } = await house();
  let now = 1_000_000;
  const set = { now: () => now, monotonic: () => clock.monotonic(), sleep: (time: number) => clock.sleep(time) };
  const credentials = credentialsOf(tenant, { ...parts, clock: set });
  for (let guess = 0; guess < 10; guess += 1) await credentials.verifyPassword("lamp", `guess ${guess}`, "192.0.2.1");
  now = 0;
  assert.equal(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.1"), undefined);
  clock.advance(60_001);
  assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.1"), { devices: "lamp-*" });
});

for (const [name, guesserOf, other] of [
  ["one address", () => "192.0.2.1", "192.0.2.2"],
  ["one IPv6 subnet", (guess: number) => `[2001:db8::${guess}:1]`, "[2001:db8:0:1::1]"],
] as const)
  test(`fail/password: after 100 wrong guesses from ${name} its guesses at all users are refused`, async () => {
    const { cheap, credentials } = await house();
    for (let user = 0; user < 10; user += 1) await cheap(`user-${user}`);
    for (let guess = 0; guess < 100; guess += 1)
      await credentials.verifyPassword(`user-${guess % 10}`, "wrong", guesserOf(guess));
    assert.equal(await credentials.verifyPassword("lamp", "correct horse", guesserOf(100)), undefined);
    assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", other), { devices: "lamp-*" });
  });

test("ok/password: an honest login waits for one turn of who guesses, not for all his guesses", async () => {
  const { credentials } = await house();
  let guessed = 0;
  const guesses = Array.from({ length: 9 }, async () => {
    await credentials.verifyPassword("lamp", "wrong", "192.0.2.1");
    guessed += 1;
  });
  assert.deepEqual(await credentials.verifyPassword("lamp", "correct horse", "192.0.2.2"), { devices: "lamp-*" });
  assert.ok(guessed <= 4, `${guessed} guesses were looked at before`);
  await Promise.all(guesses);
});

test("fail/password: more than may wait", async () => {
  const { parts } = await house();
  const credentials = credentialsOf(
    tenant,
    parts,
    fairQueue({ atOnce: 1, waiting: 1, work: "passwords wait to be checked" }),
  );
  const [, , third] = await Promise.allSettled(
    ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => credentials.verifyPassword("lamp", "wrong", address)),
  );
  assert.equal(third?.status === "rejected" && third.reason.code, "overloaded");
});

for (const [name, change] of [
  ["a colon in the name", { name: "a:b" }],
  ["a space in the name", { name: "a b" }],
  ["no name", { name: "" }],
  ["a short password", { password: "1234567" }],
  ["an endless password", { password: "x".repeat(129) }],
] as const) {
  test(`fail/user: ${name}`, async () => {
    const { parts } = await house();
    await assert.rejects(putEstUser({ ...lamp, ...change }, "ada", parts), { code: "invalid" });
  });
}
