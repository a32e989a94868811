import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hex, textOf, utf8 } from "../../core/bytes.ts";
import { systemClock } from "../../core/clock.ts";
import type { Store } from "../../store/store.ts";
import { firstKeyId, keyIdOf } from "../../store/vault-keys.ts";
import { keyPurpose, sessionPurpose } from "../vault.ts";
import { type VaultBench, vaultBench } from "./fixtures.test-support.ts";
import type { OpenVault } from "./open-vault.ts";
import { type Rekeying, startRekeying } from "./rekey.ts";
import type { VaultSecrets } from "./sources.ts";

const passphrase = (text: string): VaultSecrets => ({ passphrase: async () => text });
const environment = (octet: number): VaultSecrets => ({ environmentKey: Buffer.alloc(32, octet).toString("base64") });
const operator = "ada";

for (const [source, secrets] of [
  ["file", {}],
  ["passphrase", passphrase("another six random words")],
  ["env", environment(2)],
] as const)
  test(`ok/rekey: from a file to ${source}: everything opens with the new key alone`, async () => {
    const bench = await vaultBench();
    const vault = await bench.open();
    const before = readFileSync(join(bench.directory, "vault.key"));
    const old = vault.ring.current;
    await fill(bench, vault, 60);
    await rekeyed(bench, vault, (rekeying) => rekeying.begin({ source, secrets }, operator));
    assert.equal(vault.source(), source);
    assert.deepEqual([...vault.ring.keys.keys()], [vault.ring.current]);
    const now = readFileSync(join(bench.directory, "vault.key"));
    assert.ok(!now.equals(before));
    await assertAllOpen(bench, vault);
    await assertAllOpen(bench, await bench.open({ secrets }));
    assert.equal(await bench.store.vaultKeys.count(old), 0);
    for (const tenant of ["default", "demo"]) {
      const { items } = await bench.store.audit.list(tenant, "oldest-first", { limit: 9 });
      assert.deepEqual(
        items.map(({ actor, action, detail }) => [actor, action, detail]),
        [
          [operator, "vault-rekey-begin", { from: "file", to: source }],
          ["service", "vault-rekey", { retired: old }],
        ],
      );
    }
    // The key that the old file holds opens nothing that is stored now.
    writeFileSync(join(bench.directory, "vault.key"), before);
    await assert.rejects(bench.open({ secrets }), { code: "key-file-changed" });
  });

test("ok/rekey: a passphrase stays when nothing else is asked for, and its file too", async () => {
  const bench = await vaultBench();
  const secrets = passphrase("six random words of mine");
  const vault = await bench.open({ source: "passphrase", secrets });
  const file = readFileSync(join(bench.directory, "vault.key"), "utf8");
  await fill(bench, vault, 3);
  await rekeyed(bench, vault, (rekeying) => rekeying.begin({ secrets: {} }, operator));
  assert.equal(readFileSync(join(bench.directory, "vault.key"), "utf8"), file);
  await assertAllOpen(bench, await bench.open({ secrets }));
});

test("ok/rekey: what is sealed with the old key while it goes on is sealed anew too", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 10);
  const late = vault.seal(keyPurpose("default", "late"), utf8("late"));
  await rekeyed(bench, vault, async (rekeying) => {
    await rekeying.begin({ secrets: {} }, operator);
    await bench.store.commit([
      bench.store.authorities.addKey({ tenant: "default", name: "late", sealed: late }),
      bench.store.vaultKeys.requireKeyOf(late),
    ]);
  });
  await assertAllOpen(bench, await bench.open());
  // And later than that it is refused, as nothing would open it.
  await assert.rejects(
    bench.store.commit([
      bench.store.authorities.addKey({ tenant: "default", name: "too late", sealed: late }),
      bench.store.vaultKeys.requireKeyOf(late),
    ]),
    { code: "guard-lost" },
  );
});

test("ok/rekey: an enrolment that is first with its session keeps what it saved", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 40);
  const { store } = bench;
  let raced = 0;
  const racing: Store = {
    ...store,
    vaultKeys: {
      ...store.vaultKeys,
      async sealedWith(id, limit) {
        const found = await store.vaultKeys.sealedWith(id, limit);
        const [session] = found.sessions;
        if (session !== undefined && raced < 5) {
          raced += 1;
          const data = vault.seal(sessionPurpose(session.tenant, session.protocol, session.key), utf8("raced"));
          await store.commit([store.sessions.save(session, { data, expires: session.expires })]);
        }
        return found;
      },
    },
  };
  await rekeyed({ ...bench, store: racing }, vault, (rekeying) => rekeying.begin({ secrets: {} }, operator));
  assert.equal(raced, 1, "the ones that were not raced are sealed anew in the same round");
  const texts = await assertAllOpen(bench, await bench.open());
  assert.equal(texts.filter((text) => text === "raced").length, 1);
});

test("ok/rekey: a service that ended at any commit goes on, with every value readable all the time", async () => {
  for (let commits = 0; ; commits += 1) {
    const bench = await vaultBench();
    const vault = await bench.open();
    await fill(bench, vault, 55);
    const dying = dyingAfter(bench.store, commits);
    // The vault that dies is another one over the same directory: what it had in memory is gone.
    const doomed = await bench.open({ store: dying });
    const errors: unknown[] = [];
    const onError = (error: unknown) => void errors.push(error);
    const rekeying = startRekeying({ store: dying, vault: doomed, clock: systemClock, onError });
    const survived = await rekeying
      .begin({ secrets: {} }, operator)
      .then(() => finished(bench.store, errors))
      .catch(() => false);
    await rekeying.stop();
    const next = await bench.open();
    await assertAllOpen(bench, next);
    await rekeyed(bench, next, async () => {});
    await assertAllOpen(bench, await bench.open());
    assert.ok(!existsSync(join(bench.directory, "vault.key.next")));
    if (survived) {
      assert.ok(commits >= 4, `${commits} commits`);
      return;
    }
  }
});

test("ok/rekey: killed between the commit and the renaming of the key file", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 3);
  const path = join(bench.directory, "vault.key");
  const old = readFileSync(path);
  await vault.changeKey({ secrets: {} });
  writeFileSync(`${path}.next`, readFileSync(path), { mode: 0o600 });
  writeFileSync(path, old);
  await assertAllOpen(bench, await bench.open());
  assert.ok(!existsSync(`${path}.next`));
  assert.notEqual(hex(readFileSync(path)), hex(old));
});

test("ok/rekey: a directory from before data keys had ids loses its first key", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 5);
  vault.ring.keys.set(firstKeyId, vault.ring.keys.get(vault.ring.current) ?? assert.fail());
  const { keys } = await bench.store.vaultKeys.sealedWith(vault.ring.current, 9);
  for (const key of keys) await bench.store.commit([bench.store.authorities.resealKey(key, key.sealed.subarray(9))]);
  const [row] = await bench.store.vaultKeys.list();
  await bench.store.commit([
    bench.store.vaultKeys.insert({ ...(row ?? assert.fail()), id: firstKeyId, state: "retiring" }),
  ]);
  await rekeyed(bench, vault, async () => {});
  assert.equal(await bench.store.vaultKeys.count(firstKeyId), 0);
  await assertAllOpen(bench, vault);
});

test("fail/rekey: a second one while the first goes on", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 1);
  await vault.changeKey({ secrets: {} });
  await assert.rejects(vault.changeKey({ secrets: {} }), { code: "rekey-under-way", message: /vault status/ });
});

test("fail/rekey: a wrong secret for the new source changes nothing", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 1);
  for (const [source, secrets, code] of [
    ["passphrase", {}, "passphrase-missing"],
    ["passphrase", passphrase("short"), "passphrase-weak"],
    ["env", {}, "vault-key-missing"],
  ] as const)
    await assert.rejects(vault.changeKey({ source, secrets }), { code });
  assert.equal(vault.source(), "file");
  await vault.changeKey({ secrets: {} });
  await assertAllOpen(bench, await bench.open());
});

test("fail/rekey: a value that does not open keeps its key, and the status says so", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  await fill(bench, vault, 3);
  const { keys } = await bench.store.vaultKeys.sealedWith(vault.ring.current, 1);
  const [key] = keys;
  assert.ok(key);
  const broken = Uint8Array.from(key.sealed, (octet, index) => (index === 30 ? octet ^ 1 : octet));
  await bench.store.commit([bench.store.authorities.resealKey(key, broken)]);
  const errors: unknown[] = [];
  const rekeying = startRekeying({
    store: bench.store,
    vault,
    clock: systemClock,
    onError: (error) => errors.push(error),
  });
  await rekeying.begin({ secrets: {} }, operator);
  while (errors.length === 0) await systemClock.sleep(2);
  const { keys: known, problem } = await rekeying.status();
  assert.deepEqual([known.length, problem], [2, "seal-broken"]);
  await rekeying.stop();
});

async function rekeyed(bench: VaultBench, vault: OpenVault, use: (rekeying: Rekeying) => Promise<void>): Promise<void> {
  const errors: unknown[] = [];
  const { store } = bench;
  const rekeying = startRekeying({ store, vault, clock: systemClock, onError: (error) => errors.push(error) });
  await use(rekeying);
  await finished(store, errors);
  await rekeying.stop();
}

/** Waits until one key is left; there is no other end. */
async function finished(store: Store, errors: readonly unknown[] = []): Promise<boolean> {
  while ((await store.vaultKeys.list()).length > 1) {
    if (errors.length > 0) throw errors[0];
    await systemClock.sleep(2);
  }
  return true;
}

async function fill({ store }: VaultBench, vault: OpenVault, count: number): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => String(index));
  const tenant = "default";
  await store.commit([
    ...indexes.map((name) => {
      const sealed = vault.seal(keyPurpose(tenant, name), utf8(name));
      return store.authorities.addKey({ tenant, name, sealed });
    }),
    ...indexes.map((key) => {
      const data = vault.seal(sessionPurpose("demo", "est", key), utf8(key));
      return store.sessions.create({ tenant: "demo", protocol: "est", key, data, expires: 1e15 }, 0);
    }),
  ]);
}

/** Opens all that is stored, whatever sealed it, and returns the texts. */
async function assertAllOpen({ store }: VaultBench, vault: OpenVault): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const { id } of await store.vaultKeys.list()) {
    const { keys, sessions } = await store.vaultKeys.sealedWith(id, 500);
    for (const { tenant, name, sealed } of keys) {
      assert.equal(keyIdOf(sealed), id);
      texts.push(textOf(vault.open(keyPurpose(tenant, name), sealed)));
    }
    for (const { tenant, protocol, key, data } of sessions)
      texts.push(textOf(vault.open(sessionPurpose(tenant, protocol, key), data)));
  }
  assert.ok(texts.length > 1);
  return texts;
}

/** The store of a process that dies after so many commits: it changes nothing any more. */
function dyingAfter(store: Store, commits: number): Store {
  let left = commits;
  return {
    ...store,
    async commit(writes) {
      if (left === 0) throw new Error("the process is dead");
      left -= 1;
      await store.commit(writes);
    },
  };
}
