import assert from "node:assert/strict";
import { test } from "node:test";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { hex, view } from "../../src/core/bytes.ts";
import { verifySignature } from "../../src/crypto/keys.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { buildCertificationRequest, parseCertificationRequest, verifyProofOfPossession } from "../../src/pki/csr.ts";
import type { Extension } from "../../src/pki/extensions.ts";
import type { Name } from "../../src/pki/name.ts";
import { requestAttributes } from "../../src/pki/oids.ts";
import { bufferOf, bytesOf, hashOf, importedKey, integerOf, schemaOf, timeOf } from "./engine.ts";
import {
  keys,
  type NameValue,
  numberOf,
  randomCertificate,
  randomDates,
  randomExtensions,
  randomName,
  randomSerialNumber,
} from "./material.ts";
import { randomOf } from "./random.ts";

// PKI.js as an independent reader and writer of certificates and certification requests.

for (const key of keys) {
  test(`ok/certificates of ours have the same values in PKI.js, ${key.kind}`, async () => {
    for (let i = 0; i < rounds; i += 1) {
      const made = await randomCertificate(randomOf(`${key.kind} ${i}`), key);
      const read = new pkijs.Certificate({ schema: schemaOf(made.raw) });
      assert.equal(integerOf(read.serialNumber), numberOf(made.serialNumber));
      assert.deepEqual(valuesOf(read.issuer), made.issuer.values);
      assert.deepEqual(valuesOf(read.subject), made.subject.values);
      assert.equal(read.notBefore.value.getTime(), made.notBefore);
      assert.equal(read.notAfter.value.getTime(), made.notAfter);
      assert.deepEqual(extensionsOf(read.extensions), made.extensions.map(plain));
      assert.equal(hex(bytesOf(read.subjectPublicKeyInfo.toSchema())), hex(key.signer.publicKey));
      // What PKI.js encodes again from its values is what we wrote.
      assert.equal(hex(bytesOf(read.toSchema(true))), hex(made.raw));
      if (key.kind !== "Ed25519") assert.equal(await read.verify(read), true);
    }
  });
}

for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
  test(`ok/certificates of PKI.js have the same values with us, ${key.kind}`, async () => {
    for (let i = 0; i < rounds; i += 1) {
      const random = randomOf(`theirs ${key.kind} ${i}`);
      const [issuer, subject] = [randomName(random), randomName(random)];
      const { notBefore, notAfter } = randomDates(random);
      const serialNumber = randomSerialNumber(random);
      const extensions = randomExtensions(random, key.signer.publicKey);
      const made = new pkijs.Certificate({
        version: 2,
        serialNumber: asn1js.Integer.fromBigInt(BigInt(`0x${hex(serialNumber)}`)),
        issuer: nameOf(issuer.raw),
        subject: nameOf(subject.raw),
        notBefore: timeOf(notBefore),
        notAfter: timeOf(notAfter),
        extensions: extensions.map(theirs),
      });
      made.subjectPublicKeyInfo.fromSchema(schemaOf(key.signer.publicKey));
      await made.sign(await importedKey(key, "sign"), hashOf(key.kind));
      const read = parseCertificate(bytesOf(made.toSchema(true)));
      assert.equal(numberOf(read.serialNumber), numberOf(serialNumber));
      assert.deepEqual([namesOf(read.issuer), namesOf(read.subject)], [issuer.values, subject.values]);
      assert.deepEqual([read.notBefore, read.notAfter], [notBefore, notAfter]);
      assert.deepEqual(read.extensions.map(plain), extensions.map(plain));
      assert.equal(isSigned(read), true);
    }
  });
}

for (const key of keys) {
  test(`ok/requests of ours have the same values in PKI.js, ${key.kind}`, async () => {
    for (let i = 0; i < rounds; i += 1) {
      const random = randomOf(`request ${key.kind} ${i}`);
      const subject = randomName(random);
      const extensions = randomExtensions(random, key.signer.publicKey);
      const challengePassword = random.pick(["secret", "ß€", "a@b"]);
      const raw = await buildCertificationRequest({
        ...{ subject: subject.raw, signer: key.signer, extensions, challengePassword },
      });
      const read = new pkijs.CertificationRequest({ schema: schemaOf(raw) });
      assert.deepEqual(valuesOf(read.subject), subject.values);
      const attributeOf = (type: string) => read.attributes?.find((attribute) => attribute.type === type)?.values[0];
      assert.equal(attributeOf(requestAttributes.challengePassword)?.valueBlock.value, challengePassword);
      const requested = attributeOf(requestAttributes.extensionRequest);
      assert.deepEqual(
        requested === undefined ? [] : extensionsOf(new pkijs.Extensions({ schema: requested }).extensions),
        extensions.map(plain),
      );
      assert.equal(hex(bytesOf(read.toSchema(true))), hex(raw));
      if (key.kind !== "Ed25519") assert.equal(await read.verify(), true);
    }
  });
}

for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
  test(`ok/requests of PKI.js have the same values with us, ${key.kind}`, async () => {
    for (let i = 0; i < rounds; i += 1) {
      const random = randomOf(`their request ${key.kind} ${i}`);
      const subject = randomName(random);
      const extensions = randomExtensions(random, key.signer.publicKey);
      const made = new pkijs.CertificationRequest({
        subject: nameOf(subject.raw),
        attributes: [
          new pkijs.Attribute({
            type: requestAttributes.challengePassword,
            values: [new asn1js.PrintableString({ value: "secret" })],
          }),
          new pkijs.Attribute({
            type: requestAttributes.extensionRequest,
            values: [new pkijs.Extensions({ extensions: extensions.map(theirs) }).toSchema()],
          }),
        ],
      });
      made.subjectPublicKeyInfo.fromSchema(schemaOf(key.signer.publicKey));
      await made.sign(await importedKey(key, "sign"), hashOf(key.kind));
      const read = parseCertificationRequest(bytesOf(made.toSchema(true)));
      assert.deepEqual(namesOf(read.subject), subject.values);
      assert.equal(read.challengePassword, "secret");
      assert.deepEqual(read.extensionRequest.map(plain), extensions.map(plain));
      assert.equal(verifyProofOfPossession(read), true);
    }
  });
}

test("fail/a signature that was changed, for both", async () => {
  for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
    const { raw } = await randomCertificate(randomOf("changed"), key);
    const changed = Uint8Array.from(raw);
    // The last octet belongs to the signature, and stays one that an INTEGER may end with.
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    const theirs = new pkijs.Certificate({ schema: schemaOf(changed) });
    assert.equal(await theirs.verify(theirs), false);
    assert.equal(isSigned(parseCertificate(changed)), false);
  }
});

function isSigned({ publicKey, signatureAlgorithm, tbsCertificate, signature }: Certificate): boolean {
  return verifySignature(publicKey, signatureAlgorithm, tbsCertificate, signature);
}

/** The values that PKI.js finds in a name. */
function valuesOf(name: pkijs.RelativeDistinguishedNames): readonly NameValue[] {
  return name.typesAndValues.map(({ type, value }) => ({
    type,
    tag: value.idBlock.tagNumber,
    text: value.valueBlock.value,
  }));
}

/** The values that we find in a name. */
function namesOf({ relativeDistinguishedNames }: Name): readonly NameValue[] {
  return relativeDistinguishedNames.flat().map(({ type, value, text = "" }) => ({ type, tag: value.tag, text }));
}

function nameOf(raw: Uint8Array): pkijs.RelativeDistinguishedNames {
  return new pkijs.RelativeDistinguishedNames({ schema: schemaOf(raw) });
}

function theirs({ type, critical, value }: Extension): pkijs.Extension {
  return new pkijs.Extension({ extnID: type, critical, extnValue: bufferOf(value) });
}

function extensionsOf(extensions: readonly pkijs.Extension[] = []) {
  return extensions.map(({ extnID, critical, extnValue }) => ({
    type: extnID,
    critical,
    value: hex(extnValue.valueBlock.valueHexView),
  }));
}

function plain({ type, critical, value }: Extension) {
  return { type, critical, value: view(value).toString("hex") };
}

const rounds = 12;
