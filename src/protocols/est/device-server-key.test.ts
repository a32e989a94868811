import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { equal, hex, utf8 } from "../../core/bytes.ts";
import { seededRandomness, systemRandomness } from "../../core/randomness.ts";
import { generateKey, privateKeyFromDer, privateKeyToDer, signerOf } from "../../crypto/keys.ts";
import * as der from "../../encoding/der-writer.ts";
import { encodeAsymmetricKeyPackage } from "../../pki/asymmetric-key-package.ts";
import { contentOf } from "../../pki/cms-content-info.ts";
import { decryptEnvelopedData } from "../../pki/cms-enveloped-data.ts";
import { encryptEnvelopedData } from "../../pki/cms-enveloped-data-build.ts";
import { issuerAndSerialNumberOf } from "../../pki/cms-identifier.ts";
import { buildSignedData } from "../../pki/cms-signed-data-build.ts";
import { buildCertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import { encodeName } from "../../pki/name.ts";
import { contentTypes, keyPurposes } from "../../pki/oids.ts";
import { encodeExtKeyUsage, encodeSubjectKeyIdentifier } from "../../pki/standard-extensions.ts";
import type { DeviceKey } from "../ports.ts";
import type { EstDeviceEnv, EstDeviceSettings, ServerKeyProtection } from "./device-env.ts";
import { protectionAttributes, takeServerKey } from "./device-server-key.ts";
import { certify, clock, commonName, newAuthority, peer, type TestAuthority } from "./fixtures.test-support.ts";
import { protectionAsked } from "./key-protection.ts";
import type { DeliveredKey } from "./messages.ts";

// What a device asks for when the server is to make its key, and what it takes of the answers.

const root = await newAuthority("root");
const key = generateKey("P-256");
const pkcs8 = privateKeyToDer(key);
const kek = Uint8Array.from({ length: 32 }, (_, at) => at);
const symmetric: ServerKeyProtection = { kind: "symmetric", identifier: "kek", key: kek };

interface House {
  readonly warnings: string[];
  take(delivered: DeliveredKey, protection?: ServerKeyProtection, identity?: EstDeviceSettings["identity"]): DeviceKey;
}

/** A device that knows the root, on an association with a server of it. */
function house(): House {
  const warnings: string[] = [];
  const env = {
    clock: clock(),
    randomness: seededRandomness("device"),
    warning: (sentence: string) => warnings.push(sentence),
    foreignKeys: {
      take: (bytes) => ({ kind: "P-256", signer: signerOf(privateKeyFromDer(bytes)) }),
      decrypt: (own, data, identifiers) =>
        decryptEnvelopedData(
          data,
          { kind: "privateKey", privateKey: privateKeys.get(own) as KeyObject, identifiers },
          systemRandomness,
        ),
    } satisfies EstDeviceEnv["foreignKeys"],
  } as unknown as EstDeviceEnv;
  return {
    warnings,
    take(delivered, serverKey, identity) {
      const settings = {
        ...(serverKey === undefined ? {} : { serverKey }),
        ...(identity === undefined ? {} : { identity }),
      } as EstDeviceSettings;
      return takeServerKey(delivered, settings, ca, peer("TLSv1.3", [server.certificate]), env);
    },
  };
}

const ca = { authorities: [root.certificate], anchors: [root.certificate] };
const privateKeys = new Map<DeviceKey, KeyObject>();
const server = await endEntity("server", root);

async function endEntity(name: string, issuer: TestAuthority, purposes: readonly string[] = [keyPurposes.serverAuth]) {
  const signer = signerOf(generateKey("P-256"));
  const extensions = [encodeExtKeyUsage(purposes)];
  return { signer, certificate: await certify([commonName(name)], signer, issuer, { extensions }) };
}

interface Package {
  readonly by?: TestAuthority;
  readonly eContentType?: string;
  readonly content?: Uint8Array;
  readonly key?: Uint8Array;
  /** How the SignedData is enclosed. */
  readonly enclosed?: "content" | "whole" | "data";
}

/** A key package as a server sends it to `symmetric`, or as these parts say. */
async function sent({
  by = server,
  eContentType = contentTypes.asymmetricKeyPackage,
  content = encodeAsymmetricKeyPackage([pkcs8]),
  key: under = kek,
  enclosed = "content",
}: Package = {}): Promise<DeliveredKey> {
  const signed = await buildSignedData({
    eContentType,
    content,
    signers: [{ signer: by.signer, sid: issuerAndSerialNumberOf(by.certificate) }],
    certificates: [by.certificate.raw],
  });
  const bytes = encryptEnvelopedData(
    {
      contentType: enclosed === "data" ? contentTypes.data : contentTypes.signedData,
      content: enclosed === "content" ? contentOf(signed) : signed,
      contentEncryption: "aes256-CBC",
      recipients: [{ kind: "keyEncryptionKey", keyIdentifier: utf8("kek"), key: under }],
    },
    systemRandomness,
  );
  return { form: "enveloped", bytes };
}

const isTheKey = (taken: DeviceKey) => assert.ok(equal(taken.signer.publicKey, signerOf(key).publicKey));

test("ok/plain: PKCS #8 of either version, and without a word the forms that some servers send", () => {
  const ed25519 = generateKey("Ed25519");
  const [seed, point] = [ed25519.export({ format: "jwk" }).d, ed25519.export({ format: "jwk" }).x];
  const version2 = der.sequence([
    der.integer(1),
    der.sequence([der.objectIdentifier("1.3.101.112")]),
    der.octetString(der.octetString(Buffer.from(seed ?? "", "base64url"))),
    der.implicit(1, der.bitString(Buffer.from(point ?? "", "base64url"))),
  ]);
  const { warnings, take } = house();
  isTheKey(take({ form: "pkcs8", bytes: pkcs8 }));
  assert.equal(hex(take({ form: "pkcs8", bytes: version2 }).signer.publicKey), hex(signerOf(ed25519).publicKey));
  assert.deepEqual(warnings, []);
});

test("ok/plain: PKCS #1 and SEC 1 with a warning", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const { warnings, take } = house();
  take({ form: "pkcs8", bytes: rsa.export({ format: "der", type: "pkcs1" }) });
  isTheKey(
    take({
      form: "pkcs8",
      bytes: createPrivateKey(key.export({ format: "pem", type: "sec1" })).export({ format: "der", type: "sec1" }),
    }),
  );
  assert.deepEqual(
    warnings.map((sentence) => /PKCS #1|SEC 1/.exec(sentence)?.[0]),
    ["PKCS #1", "SEC 1"],
  );
});

const taken: Readonly<Record<string, Package>> = {
  "signed by the server itself": {},
  "signed by the CA": { by: root },
  "signed by another server of the CA": { by: await endEntity("another server", root) },
  "a bare key, as some servers sign it": { eContentType: contentTypes.data, content: pkcs8 },
  "a whole message where its content belongs": { enclosed: "whole" },
  "a whole message as data": { enclosed: "data" },
};
for (const [name, content] of Object.entries(taken))
  test(`ok/encrypted: ${name}`, async () => isTheKey(house().take(await sent(content), symmetric)));

const refused: Readonly<Record<string, readonly [code: string, content: Package]>> = {
  "signed by a stranger": ["key-signer-not-trusted", { by: await newAuthority("stranger") }],
  "signed by a device of the CA": [
    "key-signer-not-trusted",
    { by: await endEntity("device", root, [keyPurposes.clientAuth]) },
  ],
  "encrypted under another key": ["key-unreadable", { key: new Uint8Array(32) }],
  "of another type": ["key-unreadable", { eContentType: "1.2.840.113549.1.9.16.1.40" }],
  "two keys": ["key-unreadable", { content: encodeAsymmetricKeyPackage([pkcs8, pkcs8]) }],
  "no key package": ["key-unreadable", { content: pkcs8 }],
  "no key": ["key-unreadable", { eContentType: contentTypes.data, content: utf8("no key") }],
};
for (const [name, [code, content]] of Object.entries(refused))
  test(`fail/encrypted: ${name}`, async () => {
    const delivered = await sent(content);
    assert.throws(() => house().take(delivered, symmetric), { name: "EstFailed", code });
  });

test("fail/encrypted: not signed, changed, and for another", async () => {
  const { take } = house();
  const delivered = await sent();
  const changed = Uint8Array.from(delivered.bytes);
  changed[changed.length - 40] = (changed[changed.length - 40] ?? 0) ^ 1;
  assert.throws(() => take({ form: "enveloped", bytes: changed }, symmetric), { code: "key-unreadable" });
  assert.throws(() => take(delivered, { ...symmetric, identifier: "other" }), { code: "key-unreadable" });
  assert.throws(() => take({ form: "enveloped", bytes: utf8("no CMS") }, symmetric), { code: "key-unreadable" });
  const unsigned = encryptEnvelopedData(
    {
      contentType: contentTypes.asymmetricKeyPackage,
      content: encodeAsymmetricKeyPackage([pkcs8]),
      contentEncryption: "aes256-CBC",
      recipients: [{ kind: "keyEncryptionKey", keyIdentifier: utf8("kek"), key: kek }],
    },
    systemRandomness,
  );
  assert.throws(() => take({ form: "enveloped", bytes: unsigned }, symmetric), { code: "key-unreadable" });
});

test("fail/protection: a plain key where encryption was asked for, and an encrypted one where it was not", async () => {
  const { take } = house();
  assert.throws(() => take({ form: "pkcs8", bytes: pkcs8 }, symmetric), { code: "key-not-encrypted" });
  assert.throws(() => take({ form: "pkcs8", bytes: pkcs8 }, { kind: "certificate" }), { code: "key-not-encrypted" });
  const delivered = await sent();
  assert.throws(() => take(delivered), { code: "key-not-encrypted" });
});

test("fail/plain: what is no private key, without a word of what it was", () => {
  for (const bytes of [utf8("secret of the device"), new Uint8Array(0), pkcs8.subarray(0, -1), signerOf(key).publicKey])
    assert.throws(
      () => house().take({ form: "pkcs8", bytes }),
      (error: Error & { code?: string }) =>
        error.code === "key-unreadable" && error.cause === undefined && !error.message.includes("secret"),
    );
});

/** What a server reads of a request with the attributes of these settings. */
async function askedBy(settings: Pick<EstDeviceSettings, "serverKey" | "identity">) {
  const attributes = protectionAttributes(settings);
  const request = { subject: encodeName([commonName("x")]), signer: signerOf(key), attributes };
  return protectionAsked(parseCertificationRequest(await buildCertificationRequest(request)));
}

async function identityOf(kind: "P-256" | "RSA-2048" | "Ed25519", extensions: Parameters<typeof certify>[3]) {
  const own = generateKey(kind);
  const deviceKey: DeviceKey = { kind, signer: signerOf(own) };
  privateKeys.set(deviceKey, own);
  const certificate = await certify([commonName("device")], deviceKey.signer, root, extensions);
  return { credential: "idevid", chain: [certificate.raw], key: deviceKey } as const;
}

test("ok/ask: what the server reads is what was meant (E21: the identifier and SMIMECapabilities together)", async () => {
  assert.equal(await askedBy({}), undefined);
  const byKey = await askedBy({ serverKey: symmetric });
  assert.deepEqual([byKey?.kind, hex(byKey?.identifier ?? utf8(""))], ["symmetric", hex(utf8("kek"))]);
  assert.deepEqual(byKey?.offered.keyWraps, ["aes256-wrap", "aes192-wrap", "aes128-wrap"]);
  assert.deepEqual(byKey?.offered.contentEncryptions, ["aes256-CBC", "aes128-CBC"]);
});

for (const [name, kind, extensions] of [
  ["no subjectKeyIdentifier", "P-256", []],
  ["a key that only signs", "Ed25519", [encodeSubjectKeyIdentifier(utf8("id"))]],
] as const)
  test(`fail/ask: a certificate with ${name}`, async () => {
    const identity = await identityOf(kind, { extensions });
    await assert.rejects(askedBy({ serverKey: { kind: "certificate" }, identity }), { code: "encryption-impossible" });
  });

test("fail/ask: a certificate whose keyUsage allows signatures alone, and none at all", async () => {
  for (const kind of ["P-256", "RSA-2048"] as const) {
    // `certify` gives every certificate of a device digitalSignature and nothing else.
    const identity = await identityOf(kind, { extensions: [encodeSubjectKeyIdentifier(utf8("id"))] });
    await assert.rejects(askedBy({ serverKey: { kind: "certificate" }, identity }), { code: "encryption-impossible" });
  }
  await assert.rejects(askedBy({ serverKey: { kind: "certificate" } }), { code: "encryption-impossible" });
});
