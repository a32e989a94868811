import assert from "node:assert/strict";
import { test } from "node:test";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { hex } from "../../src/core/bytes.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { digest } from "../../src/crypto/digest.ts";
import type { Certificate } from "../../src/pki/certificate.ts";
import { decryptEnvelopedData, parseEnvelopedData } from "../../src/pki/cms-enveloped-data.ts";
import { encryptEnvelopedData, type Recipient } from "../../src/pki/cms-enveloped-data-build.ts";
import { identifiersOf, issuerAndSerialNumberOf } from "../../src/pki/cms-identifier.ts";
import { parseSignedData, verifySignedData } from "../../src/pki/cms-signed-data.ts";
import { buildSignedData } from "../../src/pki/cms-signed-data-build.ts";
import { cmsAttributes, contentTypes } from "../../src/pki/oids.ts";
import { bufferOf, bytesOf, hashOf, importedKey, pkcs8, schemaOf } from "./engine.ts";
import { type Key, keys, selfSigned } from "./material.ts";
import { randomOf } from "./random.ts";

// PKI.js as an independent reader and writer of CMS. It has no AuthEnvelopedData, of which the openssl command is the judge in
// src/pki/cms-enveloped-data-openssl.test.ts, and no Ed25519.

const signingTime = Date.UTC(2050, 0, 1);

for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
  test(`ok/SignedData of ours is verified by PKI.js, ${key.kind}`, async () => {
    const certificate = await selfSigned(key);
    for (const [i, sid] of identifiersOf(certificate).entries())
      for (const detached of [false, true]) {
        const content = randomOf(`signed ${i}`).bytes(300);
        const raw = await buildSignedData({
          ...{ eContentType: contentTypes.data, content, detached, certificates: [certificate.raw] },
          signers: [{ signer: key.signer, sid, signingTime }],
        });
        const read = signedDataOf(raw);
        const data = detached ? { data: bufferOf(content) } : {};
        assert.equal(await read.verify({ signer: 0, checkChain: false, ...data }), true);
        assert.equal(read.encapContentInfo.eContentType, contentTypes.data);
        assert.equal(
          hex(new Uint8Array(read.encapContentInfo.eContent?.getValue() ?? [])),
          detached ? "" : hex(content),
        );
        const attributes = read.signerInfos[0]?.signedAttrs?.attributes ?? [];
        const valueIn = (type: string) => attributes.find((attribute) => attribute.type === type)?.values[0];
        assert.equal(valueIn(cmsAttributes.contentType)?.valueBlock.toString(), contentTypes.data);
        assert.equal(valueIn(cmsAttributes.signingTime)?.toDate().getTime(), signingTime);
        assert.equal(read.certificates?.length, 1);
        if (!detached) continue;
        const others = bufferOf(randomOf("others").bytes(300));
        await assert.rejects(signedDataOf(raw).verify({ signer: 0, checkChain: false, data: others }));
      }
  });

  test(`ok/SignedData of PKI.js is verified by us, ${key.kind}`, async () => {
    const certificate = await selfSigned(key);
    for (let i = 0; i < rounds; i += 1) {
      const content = randomOf(`their signed ${i}`).bytes(1 + 100 * i);
      const detached = i % 2 === 1;
      const raw = await signedByPkijs(key, certificate, content, detached);
      const parsed = parseSignedData(raw);
      const verified = verifySignedData(parsed, detached ? { content } : {});
      assert.equal(hex(verified.content), hex(content));
      assert.equal(verified.eContentType, contentTypes.data);
      assert.equal(verified.signers[0]?.signingTime, signingTime);
      assert.equal(hex(verified.signers[0]?.certificate.raw ?? new Uint8Array()), hex(certificate.raw));
      const others = detached ? { content: randomOf("others").bytes(8) } : undefined;
      if (others !== undefined) assert.throws(() => verifySignedData(parsed, others), { code: "digest-mismatch" });
    }
  });
}

for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
  test(`ok/EnvelopedData of ours is decrypted by PKI.js, ${key.kind}`, async (t) => {
    const certificate = await selfSigned(key);
    // RFC 5753 7.2: entityUInfo is there when ukm is. PKI.js puts an empty one in its place, with which OpenSSL does not agree.
    t.mock.method(pkijs.ECCCMSSharedInfo, "defaultValues", () => undefined);
    for (const contentEncryption of ["aes128-CBC", "aes256-CBC"] as const)
      for (const recipient of recipientsOf(certificate)) {
        const content = randomOf(contentEncryption).bytes(100);
        const raw = encryptEnvelopedData(
          { contentType: contentTypes.data, content, contentEncryption, recipients: [recipient] },
          systemRandomness,
        );
        const info = new pkijs.ContentInfo({ schema: schemaOf(raw) });
        const read = new pkijs.EnvelopedData({ schema: info.content });
        const decrypted = await read.decrypt(0, {
          recipientCertificate: new pkijs.Certificate({ schema: schemaOf(certificate.raw) }),
          recipientPrivateKey: pkcs8(key.privateKey),
        });
        assert.equal(hex(new Uint8Array(decrypted)), hex(content));
      }
  });

  test(`ok/EnvelopedData of PKI.js is decrypted by us, ${key.kind}`, async () => {
    const certificate = await selfSigned(key);
    const opener = { kind: "privateKey", privateKey: key.privateKey, identifiers: identifiersOf(certificate) } as const;
    for (const length of [128, 256] as const)
      for (const hash of ["SHA-256", "SHA-384", "SHA-512"]) {
        const content = randomOf(`${hash} ${length}`).bytes(100);
        const made = new pkijs.EnvelopedData();
        made.addRecipientByCertificate(new pkijs.Certificate({ schema: schemaOf(certificate.raw) }), {
          ...{ oaepHashAlgorithm: hash, kdfAlgorithm: hash, kekEncryptionLength: length },
        });
        const algorithm = { name: "AES-CBC", length };
        await made.encrypt(algorithm, bufferOf(content));
        const info = new pkijs.ContentInfo({ contentType: contentTypes.envelopedData, content: made.toSchema() });
        const decrypted = decryptEnvelopedData(parseEnvelopedData(bytesOf(info.toSchema())), opener, systemRandomness);
        assert.equal(hex(decrypted.content), hex(content));
        assert.equal(decrypted.authenticated, false);
      }
  });
}

async function signedByPkijs(key: Key, certificate: Certificate, content: Uint8Array, detached: boolean) {
  const attribute = (type: string, value: unknown) => new pkijs.Attribute({ type, values: [value] });
  const hash = hashOf(key.kind);
  const messageDigest = digest(hash === "SHA-512" ? "sha512" : hash === "SHA-384" ? "sha384" : "sha256", content);
  const theirs = new pkijs.Certificate({ schema: schemaOf(certificate.raw) });
  const signedData = new pkijs.SignedData({
    version: 1,
    encapContentInfo: new pkijs.EncapsulatedContentInfo({ eContentType: contentTypes.data }),
    signerInfos: [
      new pkijs.SignerInfo({
        version: 1,
        sid: new pkijs.IssuerAndSerialNumber({ issuer: theirs.issuer, serialNumber: theirs.serialNumber }),
        signedAttrs: new pkijs.SignedAndUnsignedAttributes({
          type: 0,
          attributes: [
            attribute(cmsAttributes.contentType, new asn1js.ObjectIdentifier({ value: contentTypes.data })),
            attribute(cmsAttributes.signingTime, new asn1js.GeneralizedTime({ valueDate: new Date(signingTime) })),
            attribute(cmsAttributes.messageDigest, new asn1js.OctetString({ valueHex: bufferOf(messageDigest) })),
          ],
        }),
      }),
    ],
    certificates: [theirs],
  });
  if (!detached) signedData.encapContentInfo.eContent = new asn1js.OctetString({ valueHex: bufferOf(content) });
  await signedData.sign(await importedKey(key, "sign"), 0, hash, bufferOf(content));
  const info = new pkijs.ContentInfo({ contentType: contentTypes.signedData, content: signedData.toSchema(true) });
  return bytesOf(info.toSchema());
}

function signedDataOf(raw: Uint8Array): pkijs.SignedData {
  const info = new pkijs.ContentInfo({ schema: schemaOf(raw) });
  assert.equal(info.contentType, contentTypes.signedData);
  return new pkijs.SignedData({ schema: info.content });
}

/** What PKI.js understands: OAEP, and key agreement by either identifier. */
function recipientsOf(certificate: Certificate): readonly Recipient[] {
  const { publicKey } = certificate;
  const rid = issuerAndSerialNumberOf(certificate);
  if (publicKey.kind === "RSA")
    return (["sha1", "sha256", "sha384", "sha512"] as const).map((hash) => ({
      ...{ kind: "keyTransport", rid, publicKey, scheme: { kind: "RSAES-OAEP", hash } },
    }));
  return identifiersOf(certificate).flatMap((each) =>
    (["aes128-wrap", "aes256-wrap"] as const).map(
      (keyWrap) => ({ kind: "keyAgreement", rid: each, publicKey, keyWrap }) as const,
    ),
  );
}

const rounds = 6;
