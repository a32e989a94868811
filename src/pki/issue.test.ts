import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { equal, fromHex, hex } from "../core/bytes.ts";
import { generateKey, privateKeyFromDer, publicKeyOf, signerOf, verifySignature } from "../crypto/keys.ts";
import { parseCertificate } from "./certificate.ts";
import { buildCertificate, type CertificateContent } from "./issue.ts";
import { encodeName, formatName } from "./name.ts";
import { attributeTypes, keyPurposes } from "./oids.ts";
import {
  basicConstraintsOf,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "./standard-extensions.ts";

const issuerKey = signerOf(generateKey("P-384"));
const deviceKey = signerOf(generateKey("P-256"));
const issuer = encodeName([{ type: attributeTypes.commonName, value: "Example Issuing" }]);
const subject = encodeName([{ type: attributeTypes.serialNumber, value: "SN-42" }]);

const content: CertificateContent = {
  serialNumber: new Uint8Array(16).fill(0xa5),
  issuer,
  subject,
  publicKey: deviceKey.publicKey,
  notBefore: Date.UTC(2026, 0, 1),
  notAfter: 253_402_300_799_000,
  extensions: [
    encodeBasicConstraints({ cA: false }),
    encodeKeyUsage(["digitalSignature"]),
    encodeExtKeyUsage([keyPurposes.clientAuth]),
    encodeSubjectAltName([{ kind: "dNSName", text: "device.example" }]),
    encodeSubjectKeyIdentifier(keyIdentifierOf(deviceKey.publicKey)),
    encodeAuthorityKeyIdentifier(keyIdentifierOf(issuerKey.publicKey)),
  ],
  signer: issuerKey,
};

test("ok/what is built is parsed, by Node as well", async () => {
  const raw = await buildCertificate(content);
  const certificate = parseCertificate(raw);
  assert.equal(certificate.version, 3);
  assert.equal(hex(certificate.serialNumber), `00${"a5".repeat(16)}`);
  assert.equal(formatName(certificate.issuer), "CN=Example Issuing");
  assert.ok(equal(certificate.subject.raw, subject));
  assert.deepEqual([certificate.notBefore, certificate.notAfter], [content.notBefore, content.notAfter]);
  assert.deepEqual(basicConstraintsOf(certificate.extensions), { cA: false });
  const key = publicKeyOf(issuerKey.publicKey);
  const { signatureAlgorithm, tbsCertificate, signature } = certificate;
  assert.ok(verifySignature(key, signatureAlgorithm, tbsCertificate, signature));
  const theirs = new X509Certificate(raw);
  assert.ok(theirs.verify(key.keyObject));
  assert.equal(theirs.subjectAltName, "DNS:device.example");
  assert.deepEqual(theirs.keyUsage, [keyPurposes.clientAuth]);
  assert.equal(theirs.ca, false);
});

test("ok/a fixed key gives fixed bytes", async () => {
  // RFC 8410 10.3, and the shape of its certificate.
  const key = fromHex(
    "302e020100300506032b657004220420d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842",
  );
  assert.ok(key);
  const signer = signerOf(privateKeyFromDer(key));
  const small = { ...content, serialNumber: Uint8Array.of(1), signer, publicKey: signer.publicKey, extensions: [] };
  const [once, twice] = [await buildCertificate(small), await buildCertificate(small)];
  assert.ok(equal(once, twice));
  assert.equal(parseCertificate(once).extensions.length, 0);
  assert.ok(new X509Certificate(once).verify(publicKeyOf(signer.publicKey).keyObject));
});

test("ok/serial numbers are positive whatever their octets", async () => {
  const signer = signerOf(generateKey("Ed25519"));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 20 }), async (serialNumber) => {
      if (serialNumber.every((octet) => octet === 0)) return;
      const { serialNumber: parsed } = parseCertificate(await buildCertificate({ ...content, signer, serialNumber }));
      assert.equal(BigInt(`0x${hex(parsed)}`), BigInt(`0x${hex(serialNumber)}`));
    }),
    { seed: 12, numRuns: 100 },
  );
});

test("fail/certificates that RFC 5280 does not allow", async () => {
  const [extension] = content.extensions;
  assert.ok(extension);
  const cases = [
    ["unencodable", { serialNumber: new Uint8Array() }],
    ["unencodable", { serialNumber: new Uint8Array(4) }],
    ["unencodable", { serialNumber: new Uint8Array(21).fill(1) }],
    ["unencodable", { notAfter: content.notBefore - 1000 }],
    ["unencodable", { notAfter: 253_402_300_800_000 }],
    ["unencodable", { notBefore: Number.NaN }],
    ["duplicate-extension", { extensions: [extension, extension] }],
  ] as const;
  for (const [i, [code, changes]] of cases.entries())
    await assert.rejects(buildCertificate({ ...content, ...changes }), { code }, `case ${i}`);
});

test("fail/a signer that fails is heard", async () => {
  const signer = { ...issuerKey, sign: () => Promise.reject(new Error("the token is gone")) };
  await assert.rejects(buildCertificate({ ...content, signer }), /the token is gone/);
});
