import assert from "node:assert/strict";
import { createSecretKey } from "node:crypto";
import { test } from "node:test";
import { textOf, utf8 } from "../core/bytes.ts";
import { seededRandomness } from "../core/randomness.ts";
import { seal } from "../crypto/seal.ts";
import { firstKeyId, keyIdOf } from "../store/vault-keys.ts";
import { type KeyRing, vaultOver } from "./vault.ts";

const secretKey = (octet: number) => createSecretKey(new Uint8Array(32).fill(octet));
const randomness = seededRandomness("vault");
const [first, second] = ["00000000000000a1", "00000000000000a2"];

test("ok/vault: opens what it sealed, and the seal says which key did it", () => {
  const vault = vaultOver(ringOf(first), randomness);
  const sealed = vault.seal("key/default/root", utf8("secret"));
  assert.equal(Buffer.from(sealed).includes("secret"), false);
  assert.equal(keyIdOf(sealed), first);
  assert.equal(textOf(vault.open("key/default/root", sealed)), "secret");
});

test("ok/vault: seals with the current key, and opens with every key of its ring", () => {
  const ring = ringOf(first);
  const vault = vaultOver(ring, randomness);
  const old = vault.seal("key/default/root", utf8("old"));
  ring.keys.set(second, secretKey(2));
  ring.current = second;
  assert.equal(keyIdOf(vault.seal("key/default/root", utf8("new"))), second);
  assert.equal(textOf(vault.open("key/default/root", old)), "old");
  ring.keys.delete(first);
  assert.throws(() => vault.open("key/default/root", old), { code: "seal-broken" });
});

test("ok/vault: a seal from before keys had ids", () => {
  const sealed = seal(secretKey(9), utf8("secret"), utf8("key/default/root"), randomness);
  const ring = ringOf(first);
  ring.keys.set(firstKeyId, secretKey(9));
  assert.equal(textOf(vaultOver(ring, randomness).open("key/default/root", sealed)), "secret");
});

test("fail/vault: a blob that was moved, changed, cut, or sealed by another vault", () => {
  const vault = vaultOver(ringOf(first), randomness);
  const sealed = vault.seal("key/default/root", utf8("secret"));
  const stranger = vaultOver({ current: first, keys: new Map([[first, secretKey(7)]]) }, randomness);
  for (const attempt of [
    () => vault.open("key/demo/root", sealed),
    () => vault.open("key/default/root", stranger.seal("key/default/root", utf8("secret"))),
    ...Array.from(sealed, (octet, index) => () => {
      const changed = Uint8Array.from(sealed);
      changed[index] = octet ^ 1;
      return vault.open("key/default/root", changed);
    }),
    ...Array.from(sealed, (_, length) => () => vault.open("key/default/root", sealed.subarray(0, length))),
  ])
    assert.throws(attempt, { code: "seal-broken", message: /restore the whole data directory/ });
});

test("fail/vault: the error does not tell a session's key, which may be a token", () => {
  const vault = vaultOver(ringOf(first), randomness);
  assert.throws(
    () => vault.open("session/default/est/t0ken", Uint8Array.of(2)),
    (error: Error) => /stored session\/default\/est:/.test(error.message) && !error.message.includes("t0ken"),
  );
});

function ringOf(id: string): KeyRing {
  return { current: id, keys: new Map([[id, secretKey(1)]]) };
}
