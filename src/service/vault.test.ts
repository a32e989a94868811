import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { textOf, utf8 } from "../core/bytes.ts";
import { seededRandomness } from "../core/randomness.ts";
import { openVault } from "./vault.ts";

const directory = () => mkdtempSync(join(tmpdir(), "hatchery-vault-"));

test("ok/vault: made with mode 0600, opened again, opens what it sealed", () => {
  const path = directory();
  const sealed = openVault(path, seededRandomness("a")).seal("key/default/root", utf8("secret"));
  assert.equal(statSync(join(path, "vault.key")).mode & 0o777, 0o600);
  assert.equal(Buffer.from(sealed).includes("secret"), false);
  assert.equal(textOf(openVault(path, seededRandomness("b")).open("key/default/root", sealed)), "secret");
});

test("fail/vault: a blob that was moved, changed, or sealed by another vault", () => {
  const vault = openVault(directory(), seededRandomness("a"));
  const sealed = vault.seal("key/default/root", utf8("secret"));
  const changed = Uint8Array.from(sealed);
  changed[20] = (changed[20] as number) ^ 1;
  for (const attempt of [
    () => vault.open("key/demo/root", sealed),
    () => vault.open("key/default/root", changed),
    () => openVault(directory(), seededRandomness("b")).open("key/default/root", sealed),
  ]) {
    assert.throws(attempt, { code: "seal-broken", message: /vault\.key .* restore the whole data directory/ });
  }
});

test("fail/vault: a key file that is gone while something is sealed is not made anew", () => {
  const path = directory();
  assert.throws(() => openVault(path, seededRandomness("a"), true), { code: "key-file-missing" });
  assert.deepEqual(readdirSync(path), []);
  openVault(path, seededRandomness("a"));
  assert.deepEqual(readdirSync(path), ["vault.key"]);
  openVault(path, seededRandomness("b"), true);
});

test("fail/vault: a key file that others can read, and one that is damaged", () => {
  const path = directory();
  openVault(path, seededRandomness("a"));
  const file = join(path, "vault.key");
  const key = readFileSync(file);
  chmodSync(file, 0o640);
  assert.throws(() => openVault(path, seededRandomness("a")), { code: "key-file-open-to-others" });
  chmodSync(file, 0o600);
  writeFileSync(file, key.subarray(1));
  assert.throws(() => openVault(path, seededRandomness("a")), { code: "key-file-broken" });
});
