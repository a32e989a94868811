import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import { CryptoError } from "../../../src/crypto/errors.ts";
import {
  type CertificateList,
  parseCertificateList,
  revocationOf,
  verifyCertificateList,
} from "../../../src/pki/crl.ts";
import { buildCertificateList, type CertificateListContent } from "../../../src/pki/crl-build.ts";
import { CrlError } from "../../../src/pki/crl-errors.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { authorityKeyIdentifierOf } from "../../../src/pki/standard-extensions.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { authorityOf } from "./samples.ts";

/** Lists of revoked certificates. */
export async function revocationTargets(): Promise<readonly Target[]> {
  const { certificate: issuer, signer } = await authorityOf("CRL issuer");
  const content: CertificateListContent = {
    issuer: issuer.subject.raw,
    authorityKeyIdentifier: Uint8Array.of(1, 2, 3),
    thisUpdate: now,
    nextUpdate: now + 1000,
    cRLNumber: Uint8Array.of(1),
    revokedCertificates: [
      { serialNumber: Uint8Array.of(7), revocationDate: now },
      { serialNumber: Uint8Array.of(0x40, 1), revocationDate: now, reason: "keyCompromise", invalidityDate: now },
    ],
    signer,
  };
  const many = Array.from({ length: 300 }, (_, i) => ({
    serialNumber: Uint8Array.of(1, i >> 8, i & 0xff),
    revocationDate: now,
  }));
  const samples = {
    "two entries": await buildCertificateList(content),
    "300 entries": await buildCertificateList({ ...content, revokedCertificates: many }),
  };
  const isSample = ({ tbsCertList }: CertificateList) =>
    Object.values(samples).some((sample) => equal(parseCertificateList(sample).tbsCertList, tbsCertList));

  return targetsOf(
    "CRL",
    samples,
    async (input) => {
      const taken = readsOrRefuses([CrlError], () => {
        const list = parseCertificateList(input);
        const entries = [...list.revokedCertificates];
        assert.equal(entries.length, list.revokedCertificates.count);
        for (const { serialNumber } of entries)
          assert.ok(equal(revocationOf(list, serialNumber)?.serialNumber ?? new Uint8Array(), serialNumber));
        let verified = false;
        readsOrRefuses([CrlError, CryptoError], () => {
          verifyCertificateList(list, issuer);
          verified = true;
        });
        assert.ok(!verified || isSample(list), "a list that nobody signed is believed");
      });
      if (taken) await checkRebuilt(parseCertificateList(input));
      return taken;
    },
    "der",
  );
}

/** What is built from the fields of a list has the same entries. */
async function checkRebuilt(list: CertificateList): Promise<void> {
  const { issuer, thisUpdate, nextUpdate, cRLNumber, extensions, signatureAlgorithm, signature } = list;
  const revokedCertificates = [...list.revokedCertificates];
  const authorityKeyIdentifier = keyIdentifierIn(list);
  // RFC 5280 demands these of who makes a list, and serial numbers that are positive.
  const isBuilt = nextUpdate !== undefined && nextUpdate >= thisUpdate && cRLNumber !== undefined;
  if (!isBuilt || authorityKeyIdentifier === undefined || extensions.length !== 2) return;
  if (revokedCertificates.some(({ serialNumber: [first = 0] }) => first >= 0x80)) return;
  const again = parseCertificateList(
    await buildCertificateList({
      ...{ issuer: issuer.raw, authorityKeyIdentifier, thisUpdate, nextUpdate, cRLNumber, revokedCertificates },
      signer: { publicKey: new Uint8Array(), algorithm: signatureAlgorithm, sign: () => signature },
    }),
  );
  // The reason `unspecified` is not written (RFC 5280 5.3.1).
  const entries = revokedCertificates.map(({ reason, ...rest }) =>
    reason === undefined || reason === "unspecified" ? rest : { reason, ...rest },
  );
  assert.deepEqual([...again.revokedCertificates], entries, "a list that was built is read as another one");
  assert.deepEqual(
    [again.issuer.raw, again.thisUpdate, again.nextUpdate, again.cRLNumber],
    [issuer.raw, thisUpdate, nextUpdate, cRLNumber],
  );
}

function keyIdentifierIn({ extensions }: CertificateList): Uint8Array | undefined {
  try {
    return authorityKeyIdentifierOf(extensions);
  } catch (error) {
    if (error instanceof PkiError) return undefined;
    throw error;
  }
}
