import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hex, textOf, utf8 } from "../../core/bytes.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { seal } from "../../crypto/seal.ts";
import { firstKeyId, keyIdOf } from "../../store/vault-keys.ts";
import { type VaultBench, vaultBench } from "./fixtures.test-support.ts";
import type { VaultSecrets } from "./sources.ts";

const purpose = "key/default/root";
const passphrase = (text: string): VaultSecrets => ({ passphrase: async () => text });
const environment = (octet: number): VaultSecrets => ({ environmentKey: Buffer.alloc(32, octet).toString("base64") });

for (const [source, secrets] of [
  ["file", {}],
  ["passphrase", passphrase("six random words of mine")],
  ["env", environment(1)],
] as const) {
  test(`ok/open vault: made with its key from ${source}, opened again`, async () => {
    const bench = await vaultBench();
    const sealed = (await bench.open({ source, secrets })).seal(purpose, utf8("secret"));
    assert.equal(statSync(join(bench.directory, "vault.key")).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(bench.directory), ["vault.key"]);
    const again = await bench.open({ secrets });
    assert.equal(again.source(), source);
    assert.equal(textOf(await again.open(purpose, sealed)), "secret");
    assert.equal((await bench.store.vaultKeys.list()).length, 1);
  });

  test(`fail/open vault: its key is from ${source}, and the start wants another source`, async () => {
    const bench = await vaultBench();
    await bench.open({ source, secrets });
    const other = source === "env" ? "file" : "env";
    await assert.rejects(bench.open({ source: other, secrets: environment(1) }), {
      code: "vault-source-differs",
      message: new RegExp(`from: ${source};.*vault rekey --to ${other}`),
    });
  });

  test(`fail/open vault: its key is from ${source}, and the file is gone, changed, cut, or open to others`, async () => {
    const bench = await vaultBench();
    await bench.open({ source, secrets });
    const path = join(bench.directory, "vault.key");
    const kept = readFileSync(path);
    const open = () => bench.open({ secrets });
    rmSync(path);
    await assert.rejects(open, { code: "key-file-missing" });
    assert.ok(!existsSync(path), "no second key is made");
    writeFileSync(path, kept, { mode: 0o640 });
    chmodSync(path, 0o640);
    await assert.rejects(open, { code: "key-file-open-to-others", message: /chmod 600/ });
    chmodSync(path, 0o600);
    for (const wrong of [kept.subarray(1), Buffer.alloc(0), Buffer.alloc(4096, 0x20), Buffer.from("null")]) {
      writeFileSync(path, wrong);
      await assert.rejects(open, { code: "key-file-broken" });
    }
    writeFileSync(path, Buffer.alloc(32, 5));
    await assert.rejects(open, { code: "key-file-changed" });
    writeFileSync(path, kept);
    await open();
  });
}

test("fail/open vault: a wrong, weak or missing passphrase", async () => {
  const bench = await vaultBench();
  await assert.rejects(bench.open({ source: "passphrase" }), { code: "passphrase-missing" });
  await assert.rejects(bench.open({ source: "passphrase", secrets: passphrase("eleven char") }), {
    code: "passphrase-weak",
  });
  assert.deepEqual(readdirSync(bench.directory), [], "what is refused leaves nothing");
  await bench.open({ source: "passphrase", secrets: passphrase("six random words of mine") });
  await assert.rejects(bench.open({ secrets: passphrase("six random words of yours") }), { code: "passphrase-wrong" });
  await assert.rejects(bench.open(), { code: "passphrase-missing", message: /--vault-passphrase-file/ });
});

test("fail/open vault: a wrong, malformed or missing key of the environment", async () => {
  const bench = await vaultBench();
  await assert.rejects(bench.open({ source: "env" }), { code: "vault-key-missing" });
  for (const environmentKey of ["", "AAAA", Buffer.alloc(31).toString("base64"), "*".repeat(44)])
    await assert.rejects(bench.open({ source: "env", secrets: { environmentKey } }), { code: "vault-key-malformed" });
  await bench.open({ source: "env", secrets: environment(1) });
  await assert.rejects(bench.open({ secrets: environment(2) }), { code: "vault-key-wrong" });
  await assert.rejects(bench.open(), { code: "vault-key-missing" });
});

test("fail/open vault: a key file that asks for too much, or for too little", async () => {
  const bench = await vaultBench();
  const secrets = passphrase("six random words of mine");
  await bench.open({ source: "passphrase", secrets });
  const path = join(bench.directory, "vault.key");
  const described = JSON.parse(readFileSync(path, "utf8")) as { readonly argon2id: object };
  for (const cost of [{ memory: 2 ** 40 }, { memory: 8 }, { passes: 1 }]) {
    // The store has to know the file, or it would not even be tried.
    writeFileSync(path, JSON.stringify({ ...described, argon2id: { ...described.argon2id, ...cost } }));
    const [row] = await bench.store.vaultKeys.list();
    assert.ok(row);
    const { readKeyFile } = await import("./key-file.ts");
    const keyFile = readKeyFile(path)?.fingerprint ?? assert.fail();
    await bench.store.commit([bench.store.vaultKeys.replace(row, { ...row, keyFile })]);
    await assert.rejects(bench.open({ secrets }), { code: "key-file-broken" });
  }
});

test("fail/open vault: a data key that was changed in the store", async () => {
  const bench = await vaultBench();
  await bench.open();
  const [row] = await bench.store.vaultKeys.list();
  assert.ok(row);
  const wrapped = Uint8Array.from(row.wrapped, (octet, index) => (index === 20 ? octet ^ 1 : octet));
  await bench.store.commit([bench.store.vaultKeys.replace(row, { ...row, wrapped })]);
  await assert.rejects(bench.open(), { code: "key-file-changed" });
});

test("ok/open vault: a first start that was killed before its commit is begun again", async () => {
  const bench = await vaultBench();
  writeFileSync(join(bench.directory, "vault.key"), Buffer.alloc(32, 3), { mode: 0o600 });
  await bench.open();
  assert.equal(hex(readFileSync(join(bench.directory, "vault.key"))), "03".repeat(32), "nothing needs another one");
});

test("fail/open vault: a key file that is there is not replaced by one of another source", async () => {
  const bench = await vaultBench();
  const secrets = passphrase("six random words of mine");
  await bench.open({ source: "passphrase", secrets });
  const path = join(bench.directory, "vault.key");
  const kept = readFileSync(path);
  const other = await vaultBench();
  const otherPath = join(other.directory, "vault.key");
  writeFileSync(otherPath, kept, { mode: 0o600 });
  await assert.rejects(other.open({ source: "file" }), { code: "vault-source-differs" });
  await assert.rejects(other.open(), { code: "passphrase-missing" });
  assert.deepEqual(readFileSync(otherPath), kept);
  assert.equal((await other.open({ secrets })).source(), "passphrase");
  assert.deepEqual(readFileSync(otherPath), kept);
});

for (const kind of ["key", "session"] as const)
  test(`fail/open vault: the store has lost the data keys, and holds a sealed ${kind}`, async () => {
    const bench = await vaultBench();
    const secrets = passphrase("six random words of mine");
    const vault = await bench.open({ source: "passphrase", secrets });
    const kept = readFileSync(join(bench.directory, "vault.key"));
    const { store } = bench;
    const lossy = await vaultBench();
    writeFileSync(join(lossy.directory, "vault.key"), kept, { mode: 0o600 });
    const sealed = vault.seal(purpose, utf8("secret"));
    await lossy.store.commit([
      kind === "key"
        ? store.authorities.addKey({ tenant: "default", name: "root", sealed })
        : store.sessions.create({ tenant: "demo", protocol: "est", key: "s", data: sealed, expires: 1e15 }, 0),
    ]);
    for (const options of [{}, { secrets }, { source: "file" }] as const)
      await assert.rejects(lossy.open(options), { code: "data-key-missing", message: /restore the database/ });
    assert.deepEqual(await lossy.store.vaultKeys.list(), [], "no second data key is made");
    assert.deepEqual(readFileSync(join(lossy.directory, "vault.key")), kept);
  });

test("ok/open vault: a directory from before data keys had ids", async () => {
  const bench = await legacyBench();
  const vault = await bench.open();
  assert.equal(textOf(await vault.open(purpose, await stored(bench))), "of old");
  assert.deepEqual(
    (await bench.store.vaultKeys.list()).map(({ id, state }) => [id === firstKeyId, state]),
    [
      [false, "current"],
      [true, "retiring"],
    ],
  );
  assert.notEqual(keyIdOf(vault.seal(purpose, utf8("new"))), firstKeyId);
  assert.notEqual(hex(readFileSync(join(bench.directory, "vault.key"))), "05".repeat(32), "the key in the file is new");
  assert.equal(textOf(await (await bench.open()).open(purpose, await stored(bench))), "of old");
});

test("fail/open vault: a directory from before data keys had ids, without its key or with another", async () => {
  const bench = await legacyBench();
  const path = join(bench.directory, "vault.key");
  await assert.rejects(bench.open({ source: "env", secrets: environment(1) }), { code: "vault-source-differs" });
  rmSync(path);
  await assert.rejects(bench.open(), { code: "key-file-missing" });
  assert.ok(!existsSync(path));
  writeFileSync(path, Buffer.alloc(32, 6), { mode: 0o600 });
  await assert.rejects(bench.open(), { code: "key-file-changed" });
  writeFileSync(path, Buffer.alloc(32, 5));
  await bench.open();
});

/** As the first release left it: `vault.key` sealed everything directly. */
async function legacyBench(): Promise<VaultBench> {
  const bench = await vaultBench();
  const key = Buffer.alloc(32, 5);
  writeFileSync(join(bench.directory, "vault.key"), key, { mode: 0o600 });
  const sealed = seal(key, utf8("of old"), utf8(purpose), seededRandomness("legacy"));
  await bench.store.commit([bench.store.authorities.addKey({ tenant: "default", name: "root", sealed })]);
  return bench;
}

async function stored({ store }: VaultBench): Promise<Uint8Array> {
  return (await store.authorities.key("default", "root"))?.sealed ?? assert.fail("the key is stored");
}
