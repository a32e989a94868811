import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, equal, fromHex, hex, utf8 } from "../core/bytes.ts";
import {
  type ContentEncryptionName,
  contentEncryptions,
  decryptContent,
  encryptContent,
} from "./content-encryption.ts";

const none: Uint8Array = new Uint8Array();
const names = Object.keys(contentEncryptions) as readonly ContentEncryptionName[];

function bytesOf(text: string): Uint8Array {
  return fromHex(text) ?? assert.fail();
}

test("ok/RFC 3602 4 case 1, whose block is followed by one of padding", () => {
  const key = bytesOf("06a9214036b8a15b512e03d534120006");
  const iv = bytesOf("3dafba429d9eb430b422da802c9fac41");
  const { ciphertext } = encryptContent("aes128-CBC", key, iv, utf8("Single block msg"), none);
  assert.equal(hex(ciphertext.subarray(0, 16)), "e353779c1079aeb82708942dbe77181a");
  assert.equal(ciphertext.length, 32);
});

test("ok/AES-GCM, test case 4 of its specification", () => {
  const key = bytesOf("feffe9928665731c6d6a8f9467308308");
  const nonce = bytesOf("cafebabefacedbaddecaf888");
  const content = bytesOf(
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
  );
  const associatedData = bytesOf("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const { ciphertext, tag } = encryptContent("aes128-GCM", key, nonce, content, associatedData);
  assert.equal(
    hex(ciphertext),
    "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
  );
  assert.equal(hex(tag), "5bc94fbc3221a5db94fae95ae7121a47");
  // RFC 5084 3.2 lets a sender cut the tag to 12 octets.
  const cut = { ciphertext, tag: tag.subarray(0, 12) };
  assert.ok(equal(decryptContent("aes128-GCM", key, nonce, cut, associatedData) ?? none, content));
});

test("ok/what is encrypted is decrypted", () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.uint8Array({ maxLength: 70 }), (name, content) => {
      const { keyLength, nonceLength, mode } = contentEncryptions[name];
      const [key, nonce] = [new Uint8Array(keyLength).fill(1), new Uint8Array(nonceLength).fill(2)];
      const associatedData = mode === "GCM" ? content.subarray(0, 5) : none;
      const encrypted = encryptContent(name, key, nonce, content, associatedData);
      assert.ok(equal(decryptContent(name, key, nonce, encrypted, associatedData) ?? utf8("undefined"), content));
    }),
    { seed: 3565 },
  );
});

test("fail/contents that were changed or cut, or are under another key", () => {
  for (const name of names) {
    const { keyLength, nonceLength, mode } = contentEncryptions[name];
    const [key, nonce] = [new Uint8Array(keyLength).fill(1), new Uint8Array(nonceLength).fill(2)];
    const { ciphertext, tag } = encryptContent(name, key, nonce, utf8("content"), none);
    const decrypted = (encrypted: Uint8Array, mac = tag, opener = key, associatedData = none) =>
      decryptContent(name, opener, nonce, { ciphertext: encrypted, tag: mac }, associatedData);
    assert.equal(decrypted(ciphertext.subarray(1)), undefined);
    assert.equal(decrypted(concat([ciphertext, Uint8Array.of(0)])), undefined);
    assert.equal(decrypted(ciphertext, tag, new Uint8Array(keyLength)), undefined);
    if (mode === "CBC") assert.equal(decrypted(none), undefined);
    else {
      assert.equal(decrypted(ciphertext, tag, key, utf8("other")), undefined);
      for (const length of [0, 4, 8, 11]) assert.equal(decrypted(ciphertext, tag.subarray(0, length)), undefined);
    }
  }
});
