import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hex, textOf, utf8 } from "../../core/bytes.ts";
import { systemClock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import { StoreError } from "../../store/errors.ts";
import type { Store } from "../../store/store.ts";
import { firstKeyId, keyIdOf } from "../../store/vault-keys.ts";
import { keyPurpose, sessionPurpose } from "../vault.ts";
import { type VaultBench, vaultBench } from "./fixtures.test-support.ts";
import type { LiveVault } from "./live-vault.ts";
import { type Rekeying, startRekeying } from "./rekey.ts";
import type { VaultSecrets, VaultSettings } from "./sources.ts";

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

for (const [source, secrets, kept] of [
  ["file", {}, true],
  ["passphrase", passphrase("another six random words"), true],
  ["file", {}, false],
] as const)
  test(`ok/rekey: to ${source}, its commit ${kept ? "kept" : "lost"} and not answered, and asked for again`, async () => {
    const bench = await vaultBench();
    const deaf = deafStore(bench.store, kept);
    const vault = await bench.open({ store: deaf.store });
    await fill(bench, vault, 3);
    deaf.next();
    await assert.rejects(vault.changeKey({ source, secrets }), { code: "rekey-unknown", message: /vault status/ });
    const next = readFileSync(join(bench.directory, "vault.key.next"));
    // Nobody knows yet: what is sealed meanwhile has to open in either case.
    await fill(bench, vault, 3, "meanwhile");
    const again = vault.changeKey({ source, secrets });
    if (kept) {
      await assert.rejects(again, { code: "rekey-under-way" });
      assert.deepEqual(readFileSync(join(bench.directory, "vault.key")), next);
      assert.equal(vault.source(), source);
    } else await again;
    assert.ok(!existsSync(join(bench.directory, "vault.key.next")));
    await assertAllOpen(bench, vault);
    const restarted = await bench.open({ secrets });
    await assertAllOpen(bench, restarted);
    await rekeyed(bench, restarted, async () => {});
    await assertAllOpen(bench, await bench.open({ secrets }));
  });

test("ok/rekey: its commit kept and not answered: a restart goes on, and so does asking again", async () => {
  for (const end of ["restart", "again"] as const) {
    const bench = await vaultBench();
    const deaf = deafStore(bench.store, true);
    const vault = await bench.open({ store: deaf.store });
    await fill(bench, vault, 3);
    const begin = (rekeying: Rekeying) => rekeying.begin({ secrets: {} }, operator);
    const rekeying = startRekeying({ store: deaf.store, vault, clock: systemClock, onError: () => {} });
    deaf.next();
    await assert.rejects(begin(rekeying), { code: "rekey-unknown" });
    if (end === "again") {
      // The work after the first may be through already, and then this is a second one.
      await begin(rekeying).catch((error) => assert.equal(codeOf(error), "rekey-under-way"));
      await finished(bench.store);
      await rekeying.stop();
    } else {
      await rekeying.stop();
      await rekeyed(bench, await bench.open(), async () => {});
    }
    await assertAllOpen(bench, await bench.open());
  }
});

test("fail/rekey: one that another service was first with leaves no key file behind", async () => {
  const bench = await vaultBench();
  const vault = await bench.open();
  const [row] = await bench.store.vaultKeys.list();
  assert.ok(row);
  const racing: Store = {
    ...bench.store,
    async commit(writes) {
      const raced = Uint8Array.from([...row.wrapped, 0]);
      await bench.store.commit([bench.store.vaultKeys.replace(row, { ...row, wrapped: raced })]);
      await bench.store.commit(writes);
    },
  };
  const late = await bench.open({ store: racing });
  const before = readFileSync(join(bench.directory, "vault.key"));
  await assert.rejects(late.changeKey({ secrets: {} }), { code: "guard-lost" });
  assert.ok(!existsSync(join(bench.directory, "vault.key.next")));
  assert.deepEqual(readFileSync(join(bench.directory, "vault.key")), before);
  await vault.refresh();
});

test("fail/rekey: two services with a key file each: the other one stops sealing, and says what to do", async () => {
  const { bench, here, there, directory } = await twoServices({});
  await fill(bench, here, 3);
  const late = there.seal(sessionPurpose("demo", "est", "late"), utf8("late"));
  await rekeyed(bench, here, (rekeying) => rekeying.begin({ secrets: {} }, operator));
  const { sessions } = await bench.store.vaultKeys.sealedWith(here.ring.current, 1);
  const [session] = sessions;
  assert.ok(session);
  const elsewhere = { code: "rekeyed-elsewhere", message: /copy its vault.key to .* and restart/ };
  await assert.rejects(there.open(sessionPurpose("demo", "est", session.key), session.data), elsewhere);
  await assert.rejects(bench.store.commit([bench.store.vaultKeys.requireKeyOf(late)]), { code: "guard-lost" });
  await assert.rejects(there.refresh(), elsewhere);
  await assert.rejects(there.changeKey({ secrets: {} }), elsewhere);
  assert.ok(!existsSync(join(directory, "vault.key.next")));
  const rekeying = startRekeying({ store: bench.store, vault: there, clock: systemClock, onError: () => {} });
  await assert.rejects(rekeying.status(), elsewhere);
  await rekeying.stop();
  await assert.rejects(bench.open({ directory }), { code: "key-file-changed", message: /copy the vault.key of/ });
  copyFileSync(join(bench.directory, "vault.key"), join(directory, "vault.key"));
  await assertAllOpen(bench, await bench.open({ directory }));
});

test("ok/rekey: two services with one passphrase: the other one takes up the new key, and the old one goes", async () => {
  const secrets = passphrase("six random words of mine");
  const { bench, here, there } = await twoServices({ source: "passphrase", secrets });
  await fill(bench, here, 60);
  const old = there.ring.current;
  // Both seal anew at the same time: whoever is second finds the work done.
  await here.changeKey({ secrets });
  const errors: unknown[] = [];
  const work = (vault: LiveVault) =>
    startRekeying({ store: bench.store, vault, clock: systemClock, onError: (error) => void errors.push(error) });
  const workers = [work(here), work(there)];
  await finished(bench.store, errors);
  await assertAllOpen(bench, there);
  await there.refresh();
  assert.deepEqual([...there.ring.keys.keys()], [here.ring.current]);
  assert.notEqual(there.ring.current, old);
  await there.changeKey({ secrets });
  await assertAllOpen(bench, here);
  for (const worker of workers) await worker.stop();
  assert.deepEqual(errors, []);
});

/** Two data directories with the same key file, over one store. */
async function twoServices(options: Partial<VaultSettings>) {
  const bench = await vaultBench();
  const here = await bench.open(options);
  const directory = mkdtempSync(join(tmpdir(), "hatchery-vault-"));
  copyFileSync(join(bench.directory, "vault.key"), join(directory, "vault.key"));
  return { bench, here, there: await bench.open({ ...options, directory }), directory };
}

/** A store whose commit after `next` is kept or lost without an answer. */
function deafStore(store: Store, kept: boolean) {
  let deaf = false;
  const commit: Store["commit"] = async (writes) => {
    if (!deaf) return store.commit(writes);
    deaf = false;
    if (kept) await store.commit(writes);
    throw new StoreError("commit-unknown", "The connection broke.");
  };
  const next = () => {
    deaf = true;
  };
  return { store: { ...store, commit }, next };
}

async function rekeyed(bench: VaultBench, vault: LiveVault, use: (rekeying: Rekeying) => Promise<void>): Promise<void> {
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

async function fill({ store }: VaultBench, vault: LiveVault, count: number, prefix = ""): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
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
async function assertAllOpen({ store }: VaultBench, vault: LiveVault): Promise<readonly string[]> {
  const texts: string[] = [];
  for (const { id } of await store.vaultKeys.list()) {
    const { keys, sessions } = await store.vaultKeys.sealedWith(id, 500);
    for (const { tenant, name, sealed } of keys) {
      assert.equal(keyIdOf(sealed), id);
      texts.push(textOf(await vault.open(keyPurpose(tenant, name), sealed)));
    }
    for (const { tenant, protocol, key, data } of sessions)
      texts.push(textOf(await vault.open(sessionPurpose(tenant, protocol, key), data)));
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
