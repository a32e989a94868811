import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { newAuthority } from "../protocols/est/fixtures.test-support.ts";
import { estStorage } from "./est-storage.ts";
import { currentIdentity, foreignKey } from "./identity.ts";
import { newDeviceKey } from "./keys.ts";

const certificate = Uint8Array.of(0x30, 0x00);

async function house() {
  const directory = await mkdtemp(join(tmpdir(), "hatchery-storage-"));
  const storage = estStorage(directory);
  const key = newDeviceKey("P-256");
  const credential = { key, certificate, chain: [], authorities: [], anchors: [certificate] };
  return { directory, storage, key, credential };
}

test("ok/storage: a pending key is found again, until its certificate is there", async () => {
  const { directory, storage, key, credential } = await house();
  assert.equal(await storage.pendingKey(), undefined);
  await storage.savePendingKey(key);
  assert.equal((await stat(join(directory, "pending-key.pem"))).mode & 0o777, 0o600);
  const kept = await storage.pendingKey();
  assert.deepEqual([kept?.kind, kept?.signer.publicKey], ["P-256", key.signer.publicKey]);
  await storage.saveCredential(credential);
  assert.equal(await storage.pendingKey(), undefined);
});

test("ok/storage: the key of the current certificate is no pending one any more", async () => {
  const { storage, key, credential } = await house();
  await storage.saveCredential(credential);
  await storage.savePendingKey(key);
  assert.equal(await storage.pendingKey(), undefined);
});

test("ok/anchors: kept apart from what was published; of a set without them, the roots", async () => {
  const { directory, storage, credential } = await house();
  const authorities = [await newAuthority("root"), await newAuthority("other")].map((each) => each.certificate.raw);
  await storage.saveCredential({ ...credential, authorities, anchors: authorities.slice(0, 1) });
  assert.deepEqual(await storage.anchors(), authorities.slice(0, 1));
  await rm(join(directory, "current", "anchors.pem"));
  assert.deepEqual(await storage.anchors(), authorities);
});

test("ok/storage: the pending key of another enrolment stays when a certificate of an earlier one comes", async () => {
  const { storage, key, credential } = await house();
  await storage.savePendingKey(key);
  const other = newDeviceKey("P-256");
  await storage.savePendingKey(other);
  await storage.saveCredential(credential);
  assert.deepEqual((await storage.pendingKey())?.signer.publicKey, other.signer.publicKey);
});

test("fail/storage: a pending key that is empty is named", async () => {
  const { directory, storage } = await house();
  await writeFile(join(directory, "pending-key.pem"), "", { mode: 0o600 });
  await assert.rejects(storage.pendingKey(), {
    code: "credential-unreadable",
    message: /pending-key\.pem .*remove it/,
  });
});

test("fail/keys: one of somebody else's making that is longer than any kind of key here", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 4104 });
  const der = privateKey.export({ type: "pkcs8", format: "der" });
  assert.throws(() => foreignKey(der), { code: "credential-unreadable", message: /4104 bits/ });
});

const shared = { code: "storage-open-to-others", message: /chmod go-w/ };

test("fail/storage: a directory that other users may write is neither read nor written", async () => {
  const { directory, storage, key, credential } = await house();
  await storage.savePendingKey(key);
  await chmod(directory, 0o777);
  await assert.rejects(storage.pendingKey(), shared);
  await assert.rejects(storage.savePendingKey(newDeviceKey("P-256")), shared);
  await assert.rejects(storage.saveCredential(credential), shared);
  await assert.rejects(currentIdentity(directory), shared);
  await chmod(directory, 0o700);
  assert.deepEqual((await storage.pendingKey())?.signer.publicKey, key.signer.publicKey);
});

test("fail/storage: a pending key that other users may write", async () => {
  const { directory, storage, key } = await house();
  await storage.savePendingKey(key);
  await chmod(join(directory, "pending-key.pem"), 0o666);
  await assert.rejects(storage.pendingKey(), shared);
});

test("fail/storage: sets that other users may write", async () => {
  const { directory, storage, credential } = await house();
  await storage.saveCredential(credential);
  await chmod(join(directory, "current"), 0o777);
  await assert.rejects(currentIdentity(directory), shared);
  await chmod(join(directory, "current"), 0o700);
  await chmod(join(directory, "sets"), 0o777);
  await assert.rejects(storage.saveCredential(credential), shared);
});

test("ok/storage: a link in the place of the pending key is replaced, its target stays", async () => {
  const { directory, storage, key } = await house();
  const target = join(directory, "precious");
  await writeFile(target, "precious");
  await symlink(target, join(directory, "pending-key.pem"));
  await storage.savePendingKey(key);
  assert.equal(await readFile(target, "utf8"), "precious");
});
