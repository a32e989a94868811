import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { equal, hex, utf8 } from "../core/bytes.ts";
import { systemRandomness } from "../core/randomness.ts";
import type { ContentEncryptionName } from "../crypto/content-encryption.ts";
import { generateKey, type PrivateKey, privateKeyToPem } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { parseCertificate } from "./certificate.ts";
import { type DecryptionKey, decryptEnvelopedData, parseEnvelopedData } from "./cms-enveloped-data.ts";
import { encryptEnvelopedData, type Recipient } from "./cms-enveloped-data-build.ts";
import { identifiersOf } from "./cms-identifier.ts";
import { contentTypes } from "./oids.ts";

// The openssl command as an independent judge of EnvelopedData and AuthEnvelopedData, in both directions.

const directory = mkdtempSync(join(tmpdir(), "hatchery-enveloped-"));
after(() => rmSync(directory, { recursive: true }));

const content = utf8("a private key, say");
writeFileSync(join(directory, "content"), content);

function openssl(...parameters: readonly string[]): Buffer {
  return execFileSync("openssl", parameters, { stdio: ["ignore", "pipe", "ignore"], cwd: directory });
}

function identity(name: string, key: PrivateKey) {
  writeFileSync(join(directory, `${name}.key`), privateKeyToPem(key));
  openssl("req", "-x509", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-days", "2", "-out", `${name}.pem`);
  const [pem] = decodePem(readFileSync(join(directory, `${name}.pem`), "utf8"));
  assert.ok(pem);
  return { name, key, certificate: parseCertificate(pem.bytes) };
}

const ellipticIdentities = [
  identity("p256", generateKey("P-256")),
  identity("p384", generateKey("P-384")),
  identity("p521", generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey),
];
const rsa = identity("rsa", generateKey("RSA-2048"));

const ciphers: Readonly<Record<ContentEncryptionName, string>> = {
  "aes128-CBC": "-aes128",
  "aes256-CBC": "-aes256",
  "aes128-GCM": "-aes-128-gcm",
  "aes256-GCM": "-aes-256-gcm",
};
const cipherNames = Object.keys(ciphers) as readonly ContentEncryptionName[];

function opener({ key, certificate }: typeof rsa): DecryptionKey {
  return { kind: "privateKey", privateKey: key, identifiers: identifiersOf(certificate) };
}

/** Encrypts by openssl with every cipher, and decrypts. */
function decryptsTheirs(key: DecryptionKey, ...parameters: readonly string[]): void {
  for (const name of cipherNames) {
    const files = ["-in", "content", "-binary", "-outform", "DER", ciphers[name]];
    const data = parseEnvelopedData(openssl("cms", "-encrypt", ...files, ...parameters));
    const decrypted = decryptEnvelopedData(data, key, systemRandomness);
    assert.ok(equal(decrypted.content, content), name);
    assert.equal(decrypted.contentType, contentTypes.data);
    assert.equal(decrypted.authenticated, name.endsWith("GCM"));
  }
}

/** Encrypts with every cipher, and decrypts by openssl. */
function decryptsOurs(recipient: Recipient, ...parameters: readonly string[]): void {
  for (const contentEncryption of cipherNames) {
    const message = encryptEnvelopedData(
      { contentType: contentTypes.data, content, contentEncryption, recipients: [recipient] },
      systemRandomness,
    );
    writeFileSync(join(directory, "message"), message);
    const decrypted = openssl("cms", "-decrypt", "-inform", "DER", "-in", "message", "-binary", ...parameters);
    assert.ok(equal(decrypted, content), contentEncryption);
  }
}

for (const one of ellipticIdentities) {
  test(`ok/key agreement with ${one.name}`, () => {
    for (const hash of ["sha256", "sha384", "sha512"]) {
      const kdf = ["-recip", `${one.name}.pem`, "-keyopt", `ecdh_kdf_md:${hash}`];
      decryptsTheirs(opener(one), ...kdf);
      decryptsTheirs(opener(one), ...kdf, "-keyid");
    }
    for (const rid of identifiersOf(one.certificate))
      for (const keyWrap of ["aes128-wrap", "aes256-wrap"] as const)
        decryptsOurs(
          { kind: "keyAgreement", rid, publicKey: one.certificate.publicKey, keyWrap },
          ...["-recip", `${one.name}.pem`, "-inkey", `${one.name}.key`],
        );
  });
}

test("ok/key transport", () => {
  const oaep = ["-recip", "rsa.pem", "-keyopt", "rsa_padding_mode:oaep"];
  decryptsTheirs(opener(rsa), "-recip", "rsa.pem");
  decryptsTheirs(opener(rsa), "-recip", "rsa.pem", "-keyid");
  decryptsTheirs(opener(rsa), ...oaep);
  decryptsTheirs(opener(rsa), ...oaep, "-keyopt", "rsa_oaep_md:sha256");
  decryptsTheirs(opener(rsa), ...oaep, "-keyopt", "rsa_oaep_md:sha512");
  const { publicKey } = rsa.certificate;
  for (const rid of identifiersOf(rsa.certificate))
    for (const scheme of [
      { kind: "RSAES-PKCS1-v1_5" },
      { kind: "RSAES-OAEP", hash: "sha1" },
      { kind: "RSAES-OAEP", hash: "sha256" },
      { kind: "RSAES-OAEP", hash: "sha384" },
    ] as const)
      decryptsOurs({ kind: "keyTransport", rid, publicKey, scheme }, "-recip", "rsa.pem", "-inkey", "rsa.key");
});

test("ok/a key-encryption key", () => {
  const keyIdentifier = Uint8Array.of(0xc0, 0xff, 0xee);
  for (const length of [16, 24, 32]) {
    const key = systemRandomness.bytes(length);
    const secret = ["-secretkey", hex(key), "-secretkeyid", hex(keyIdentifier)];
    decryptsTheirs({ kind: "keyEncryptionKey", keyIdentifier, key }, ...secret);
    decryptsOurs({ kind: "keyEncryptionKey", keyIdentifier, key }, ...secret);
  }
});

test("ok/several recipients, streamed", () => {
  const recipients = ["-keyopt", "ecdh_kdf_md:sha256", "-recip", "p256.pem", "-recip", "rsa.pem"];
  const files = ["-in", "content", "-binary", "-outform", "DER", "-stream", "-aes256"];
  const message = openssl("cms", "-encrypt", ...files, "-recip", "p384.pem", ...recipients);
  assert.equal(message[1], 0x80);
  const data = parseEnvelopedData(message);
  assert.equal(data.recipientInfos.length, 3);
  assert.ok(equal(decryptEnvelopedData(data, opener(rsa), systemRandomness).content, content));
});
