import assert from "node:assert/strict";
import { test } from "node:test";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { hex } from "../../src/core/bytes.ts";
import { parseCertificateList, verifyCertificateList } from "../../src/pki/crl.ts";
import { buildCertificateList } from "../../src/pki/crl-build.ts";
import type { Revocation } from "../../src/pki/crl-entries.ts";
import type { RevocationReason } from "../../src/pki/crl-reasons.ts";
import { crlEntryExtensionTypes, crlExtensionTypes } from "../../src/pki/oids.ts";
import { encodeAuthorityKeyIdentifier } from "../../src/pki/standard-extensions.ts";
import { bufferOf, bytesOf, hashOf, importedKey, integerOf, schemaOf, timeOf } from "./engine.ts";
import { keys, numberOf, randomDates, randomSerialNumber, selfSigned } from "./material.ts";
import { type Random, randomOf } from "./random.ts";

// PKI.js as an independent reader and writer of CRLs.

for (const key of keys) {
  test(`ok/CRLs of ours have the same values in PKI.js, ${key.kind}`, async () => {
    const issuer = await selfSigned(key);
    for (let i = 0; i < rounds; i += 1) {
      const random = randomOf(`CRL ${key.kind} ${i}`);
      const made = randomList(random);
      const raw = await buildCertificateList({
        ...made,
        issuer: issuer.subject.raw,
        authorityKeyIdentifier: random.bytes(20),
        signer: key.signer,
      });
      const read = new pkijs.CertificateRevocationList({ schema: schemaOf(raw) });
      assert.equal(hex(bytesOf(read.issuer.toSchema())), hex(issuer.subject.raw));
      assert.deepEqual(
        [read.thisUpdate.value.getTime(), read.nextUpdate?.value.getTime()],
        [made.thisUpdate, made.nextUpdate],
      );
      assert.deepEqual((read.revokedCertificates ?? []).map(entryOf), made.revokedCertificates.map(plain));
      assert.equal(numberIn(read), numberOf(made.cRLNumber));
      assert.equal(hex(bytesOf(read.toSchema(true))), hex(raw));
      if (key.kind !== "Ed25519")
        assert.equal(
          await read.verify({ issuerCertificate: new pkijs.Certificate({ schema: schemaOf(issuer.raw) }) }),
          true,
        );
    }
  });
}

for (const key of keys.filter(({ kind }) => kind !== "Ed25519")) {
  test(`ok/CRLs of PKI.js have the same values with us, ${key.kind}`, async () => {
    const issuer = await selfSigned(key);
    for (let i = 0; i < rounds; i += 1) {
      const random = randomOf(`their CRL ${key.kind} ${i}`);
      const { thisUpdate, nextUpdate, cRLNumber, revokedCertificates } = randomList(random);
      const made = new pkijs.CertificateRevocationList({
        version: 1,
        issuer: new pkijs.RelativeDistinguishedNames({ schema: schemaOf(issuer.subject.raw) }),
        thisUpdate: timeOf(thisUpdate),
        nextUpdate: timeOf(nextUpdate),
        ...(revokedCertificates.length > 0 ? { revokedCertificates: revokedCertificates.map(theirs) } : {}),
        crlExtensions: new pkijs.Extensions({
          extensions: [
            extension(crlExtensionTypes.cRLNumber, integer(cRLNumber)),
            new pkijs.Extension({
              extnID: crlExtensionTypes.authorityKeyIdentifier,
              extnValue: bufferOf(encodeAuthorityKeyIdentifier(random.bytes(20)).value),
            }),
          ],
        }),
      });
      await made.sign(await importedKey(key, "sign"), hashOf(key.kind));
      const read = parseCertificateList(bytesOf(made.toSchema(true)));
      verifyCertificateList(read, issuer);
      assert.deepEqual([read.thisUpdate, read.nextUpdate], [thisUpdate, nextUpdate]);
      assert.equal(numberOf(read.cRLNumber ?? new Uint8Array()), numberOf(cRLNumber));
      assert.deepEqual([...read.revokedCertificates].map(plain), revokedCertificates.map(plain));
      for (const { serialNumber } of read.revokedCertificates)
        assert.ok(read.revokedCertificates.find(serialNumber) !== undefined);
    }
  });
}

function randomList(random: Random) {
  const { notBefore: thisUpdate, notAfter: nextUpdate } = randomDates(random);
  const revokedCertificates = Array.from({ length: random.below(6) }, (): Revocation => {
    const { notBefore: revocationDate, notAfter: invalidityDate } = randomDates(random);
    return {
      ...{ serialNumber: randomSerialNumber(random), revocationDate },
      ...(random.chance(2) ? { reason: random.pick(reasons) } : {}),
      ...(random.chance(3) ? { invalidityDate } : {}),
    };
  });
  return { thisUpdate, nextUpdate, cRLNumber: randomSerialNumber(random), revokedCertificates };
}

/** An entry with its values in one form, whoever wrote or read it. */
interface Entry {
  readonly serialNumber: string;
  readonly revocationDate: number;
  readonly reason: number | undefined;
  readonly invalidityDate: number | undefined;
}

function plain({ serialNumber, revocationDate, reason, invalidityDate }: Revocation): Entry {
  const number = reason === undefined ? undefined : numbers[reason];
  return { serialNumber: numberOf(serialNumber), revocationDate, reason: number, invalidityDate };
}

function entryOf({ userCertificate, revocationDate, crlEntryExtensions }: pkijs.RevokedCertificate): Entry {
  const valueIn = (type: string) => crlEntryExtensions?.extensions.find(({ extnID }) => extnID === type)?.parsedValue;
  return {
    serialNumber: integerOf(userCertificate),
    revocationDate: revocationDate.value.getTime(),
    reason: valueIn(crlEntryExtensionTypes.reasonCode)?.valueBlock.valueDec,
    invalidityDate: valueIn(crlEntryExtensionTypes.invalidityDate)?.toDate().getTime(),
  };
}

function theirs(entry: Revocation): pkijs.RevokedCertificate {
  const { serialNumber, revocationDate, reason, invalidityDate } = entry;
  const extensions = [
    ...(reason === undefined
      ? []
      : [extension(crlEntryExtensionTypes.reasonCode, new asn1js.Enumerated({ value: numbers[reason] }))]),
    ...(invalidityDate === undefined
      ? []
      : [
          extension(
            crlEntryExtensionTypes.invalidityDate,
            new asn1js.GeneralizedTime({ valueDate: new Date(invalidityDate) }),
          ),
        ]),
  ];
  return new pkijs.RevokedCertificate({
    userCertificate: integer(serialNumber),
    revocationDate: timeOf(revocationDate),
    ...(extensions.length > 0 ? { crlEntryExtensions: new pkijs.Extensions({ extensions }) } : {}),
  });
}

function extension(extnID: string, value: { toBER(): ArrayBuffer }): pkijs.Extension {
  return new pkijs.Extension({ extnID, extnValue: value.toBER() });
}

function integer(magnitude: Uint8Array): asn1js.Integer {
  return asn1js.Integer.fromBigInt(BigInt(`0x${hex(magnitude)}`));
}

function numberIn({ crlExtensions }: pkijs.CertificateRevocationList): string {
  const found = crlExtensions?.extensions.find(({ extnID }) => extnID === crlExtensionTypes.cRLNumber);
  return integerOf(found?.parsedValue);
}

const numbers: Readonly<Record<RevocationReason, number>> = {
  ...{ unspecified: 0, keyCompromise: 1, cACompromise: 2, affiliationChanged: 3, superseded: 4 },
  ...{ cessationOfOperation: 5, certificateHold: 6, removeFromCRL: 8, privilegeWithdrawn: 9, aACompromise: 10 },
};
const reasons = ["keyCompromise", "cACompromise", "affiliationChanged", "superseded", "certificateHold"] as const;

const rounds = 10;
