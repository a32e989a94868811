import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import { CryptoError } from "../../../src/crypto/errors.ts";
import type { Signer } from "../../../src/crypto/signer.ts";
import { type Certificate, parseCertificate } from "../../../src/pki/certificate.ts";
import {
  buildCertificationRequest,
  type CertificationRequest,
  parseCertificationRequest,
  verifyProofOfPossession,
} from "../../../src/pki/csr.ts";
import { PathError, PkiError } from "../../../src/pki/errors.ts";
import { buildCertificate } from "../../../src/pki/issue.ts";
import { validatePath } from "../../../src/pki/path.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { checkShown, extensionReads } from "./names.ts";
import { authorityOf, certificates, requests } from "./samples.ts";

/** Certificates, certification requests, and a path whose certificates are damaged. */
export async function certificateTargets(): Promise<readonly Target[]> {
  return [
    ...targetsOf("certificate", certificates, readCertificate, "der"),
    ...targetsOf("certification request", requests, readRequest, "der"),
    ...(await pathTargets()),
  ];
}

async function readCertificate(input: Uint8Array): Promise<boolean> {
  const taken = readsOrRefuses(
    [PkiError, CryptoError],
    () => assert.ok(equal(parseCertificate(input).raw, input)),
    () => void parseCertificate(input).publicKey,
    () => checkShown(parseCertificate(input).subject),
    ...extensionReads(() => parseCertificate(input).extensions),
  );
  if (taken) await checkRebuilt(parseCertificate(input));
  return taken;
}

/** What is built from the fields of a certificate has the same fields. */
async function checkRebuilt(certificate: Certificate): Promise<void> {
  // Nothing else is built, and dates in the wrong order are nobody's wish.
  if (certificate.version !== 3 || certificate.notAfter < certificate.notBefore) return;
  const again = parseCertificate(
    await buildCertificate({
      ...certificate,
      issuer: certificate.issuer.raw,
      subject: certificate.subject.raw,
      publicKey: certificate.subjectPublicKeyInfo,
      signer: replaying(certificate),
    }),
  );
  assert.deepEqual(fieldsOf(again), fieldsOf(certificate), "a certificate that was built is read as another one");
}

function fieldsOf({ serialNumber, issuer, subject, notBefore, notAfter, extensions, ...rest }: Certificate) {
  const { subjectPublicKeyInfo, signatureAlgorithm, signature } = rest;
  const names = [issuer.raw, subject.raw];
  return { serialNumber, names, notBefore, notAfter, subjectPublicKeyInfo, extensions, signatureAlgorithm, signature };
}

async function readRequest(input: Uint8Array): Promise<boolean> {
  const taken = readsOrRefuses([PkiError, CryptoError], () => {
    const request = parseCertificationRequest(input);
    checkShown(request.subject);
    void request.publicKey;
    // The request of RFC 7030 A.3 is signed over SHA-1: nothing is proven by it, but it is well-formed.
    let proven = false;
    readsOrRefuses([CryptoError], () => {
      proven = verifyProofOfPossession(request);
    });
    assert.ok(!proven || isSample(request.certificationRequestInfo), "a request that nobody signed proves possession");
  });
  if (taken) await checkRequestRebuilt(parseCertificationRequest(input));
  return taken;
}

async function checkRequestRebuilt(request: CertificationRequest): Promise<void> {
  // RFC 2985 5.4.1: a password has one character at least, which is not checked of others.
  if (request.challengePassword === "") return;
  const { subject, challengePassword, extensionRequest } = request;
  const again = parseCertificationRequest(
    await buildCertificationRequest({
      subject: subject.raw,
      signer: { ...replaying(request), publicKey: request.subjectPublicKeyInfo },
      extensions: extensionRequest,
      ...(challengePassword === undefined ? {} : { challengePassword }),
    }),
  );
  const fields = (one: CertificationRequest) => [
    one.subject.raw,
    one.subjectPublicKeyInfo,
    one.challengePassword,
    one.extensionRequest,
  ];
  assert.deepEqual(fields(again), fields(request), "a request that was built is read as another one");
}

/** Gives the signature that was there. */
function replaying(signed: Pick<Certificate, "signatureAlgorithm" | "signature" | "subjectPublicKeyInfo">): Signer {
  return {
    publicKey: signed.subjectPublicKeyInfo,
    algorithm: signed.signatureAlgorithm,
    sign: () => signed.signature,
  };
}

function isSample(certificationRequestInfo: Uint8Array): boolean {
  const samples = Object.values(requests).map(parseCertificationRequest);
  return samples.some((sample) => equal(sample.certificationRequestInfo, certificationRequestInfo));
}

/** A path of three, of which one certificate at a time is damaged: no other one than the sample is believed. */
async function pathTargets(): Promise<readonly Target[]> {
  const root = await authorityOf("any CA");
  const leaf = parseCertificate(certificates["Ed25519"] as Uint8Array);
  const middle = await authorityOf("middle CA", root);
  const ofTheMiddle = await authorityOf("lower CA", middle);
  const target = (name: string, sample: Certificate, chainOf: (changed: Certificate) => readonly Certificate[]) =>
    targetsOf(
      "path",
      { [name]: sample.raw },
      (input) =>
        readsOrRefuses([PkiError, PathError], () => {
          const changed = parseCertificate(input);
          const profile = chainOf(changed).length > 1 ? "ca" : "idevid";
          const { path } = validatePath({ chain: chainOf(changed), anchors: [root.certificate], at: now, profile });
          assert.ok(
            path.every(({ tbsCertificate }) =>
              [sample, ofTheMiddle.certificate, middle.certificate].some((one) =>
                equal(one.tbsCertificate, tbsCertificate),
              ),
            ),
            "a certificate that nobody signed is believed",
          );
        }),
      "der",
    );
  return [
    ...target("leaf", leaf, (changed) => [changed]),
    ...target("first of two", ofTheMiddle.certificate, (changed) => [changed, middle.certificate]),
    ...target("second of two", middle.certificate, (changed) => [ofTheMiddle.certificate, changed]),
  ];
}
