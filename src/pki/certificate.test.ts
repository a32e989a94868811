import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { mutations } from "../../test/mutate.ts";
import { equal, fromHex, hex, utf8 } from "../core/bytes.ts";
import { CryptoError } from "../crypto/errors.ts";
import { verifySignature } from "../crypto/keys.ts";
import { decodeWireBase64 } from "../encoding/base64.ts";
import * as der from "../encoding/der-writer.ts";
import { parseCertificate } from "./certificate.ts";
import { decodeCertsOnly } from "./cms.ts";
import { PkiError } from "./errors.ts";
import { formatName } from "./name.ts";
import { basicConstraintsOf, keyUsageOf, subjectAltNameOf } from "./standard-extensions.ts";

const vectors = JSON.parse(readFileSync(new URL("testdata/est.json", import.meta.url), "utf8"));

function certificatesOf(text: string): readonly Uint8Array[] {
  return decodeCertsOnly(decodeWireBase64(utf8(text)));
}

const [rfc9148Root = new Uint8Array()] = certificatesOf(vectors.rfc9148A1.cacerts);

const ed25519 = der.sequence([der.objectIdentifier("1.3.101.112")]);
const key = der.sequence([
  ed25519,
  der.bitString(fromHex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1") ?? utf8("")),
]);

const none: Uint8Array = new Uint8Array();

/** The fields of a TBSCertificate, which tests replace or leave out by an empty array. */
const fields = {
  version: der.explicit(0, der.integer(2)),
  serialNumber: der.integer(1),
  signature: ed25519,
  issuer: der.sequence([]),
  validity: der.sequence([der.time(0), der.time(1000)]),
  subject: der.sequence([]),
  key,
  issuerUniqueId: none,
  subjectUniqueId: none,
  extensions: none,
};

function certificateOf(
  changes: Partial<typeof fields>,
  outer: Uint8Array = ed25519,
  more: Uint8Array[] = [],
): Uint8Array {
  const tbsCertificate = der.sequence(Object.values({ ...fields, ...changes }));
  return der.sequence([tbsCertificate, outer, der.bitString(new Uint8Array(64)), ...more]);
}

const basicConstraints = der.sequence([
  der.sequence([der.objectIdentifier("2.5.29.19"), der.octetString(der.sequence([]))]),
]);

test("ok/RFC 7030 A.1: certificates of 2013, signed over SHA-1", () => {
  const certificates = certificatesOf(vectors.rfc7030A1.cacerts).map(parseCertificate);
  assert.deepEqual(
    certificates.map(({ subject }) => formatName(subject)),
    vectors.rfc7030A1.subjects,
  );
  assert.deepEqual(
    certificates.map(({ issuer }) => formatName(issuer)),
    vectors.rfc7030A1.issuers,
  );
  const [oldWithOld, newWithOld] = certificates;
  assert.ok(oldWithOld && newWithOld);
  assert.equal(oldWithOld.notBefore, Date.UTC(2013, 4, 9, 3, 53, 31));
  assert.equal(hex(oldWithOld.serialNumber), "009a58de75193b7a9c");
  assert.deepEqual(basicConstraintsOf(oldWithOld.extensions), { cA: true });
  assert.deepEqual([...(keyUsageOf(oldWithOld.extensions) ?? [])], ["keyCertSign", "cRLSign"]);
  assert.equal(basicConstraintsOf(newWithOld.extensions), undefined);
  const verify = () =>
    verifySignature(
      oldWithOld.publicKey,
      newWithOld.signatureAlgorithm,
      newWithOld.tbsCertificate,
      newWithOld.signature,
    );
  assert.throws(verify, { code: "unsupported-algorithm" });
  // What is cut out of the certificate is what was signed: Node verifies SHA-1.
  assert.ok(new X509Certificate(newWithOld.raw).verify(oldWithOld.publicKey.keyObject));
});

test("ok/RFC 9148 A.1: a root whose own signature verifies", () => {
  const root = parseCertificate(rfc9148Root);
  assert.equal(formatName(root.subject), vectors.rfc9148A1.subject);
  assert.equal(root.version, 3);
  assert.equal(root.publicKey.kind, "P-256");
  assert.equal(root.publicKey, root.publicKey);
  assert.equal(verifySignature(root.publicKey, root.signatureAlgorithm, root.tbsCertificate, root.signature), true);
  assert.deepEqual(subjectAltNameOf(root.extensions), [{ kind: "rfc822Name", text: "certify@example.com" }]);
});

test("ok/fields agree with X509Certificate", () => {
  const samples = [vectors.rfc7030A1.cacerts, vectors.rfc7030A3.response, vectors.rfc9148A3.response];
  for (const raw of samples.flatMap(certificatesOf)) {
    const ours = parseCertificate(raw);
    const theirs = new X509Certificate(raw);
    assert.equal(BigInt(`0x${hex(ours.serialNumber)}`), BigInt(`0x${theirs.serialNumber}`));
    assert.equal(ours.notBefore, theirs.validFromDate.getTime());
    assert.equal(ours.notAfter, theirs.validToDate.getTime());
    assert.ok(equal(ours.subjectPublicKeyInfo, theirs.publicKey.export({ format: "der", type: "spki" })));
  }
});

test("ok/versions 1 and 2, unique identifiers, no end", () => {
  assert.equal(parseCertificate(certificateOf({ version: none })).version, 1);
  const version = der.explicit(0, der.integer(1));
  const subjectUniqueId = der.implicit(2, der.bitString(Uint8Array.of(1)));
  assert.equal(parseCertificate(certificateOf({ version, subjectUniqueId })).version, 2);
  const validity = der.sequence([der.time(0), der.time(253_402_300_799_000)]);
  assert.equal(parseCertificate(certificateOf({ validity })).notAfter, 253_402_300_799_000);
  const serialNumber = der.unsignedInteger(new Uint8Array(20).fill(0xff));
  assert.equal(parseCertificate(certificateOf({ serialNumber })).serialNumber.length, 21);
});

test("fail/each field malformed, missing, doubled or in the wrong version", () => {
  const cases: Record<string, Uint8Array> = {
    "version written as default": certificateOf({ version: der.explicit(0, der.integer(0)) }),
    "version 4": certificateOf({ version: der.explicit(0, der.integer(3)) }),
    "serial number zero": certificateOf({ serialNumber: der.integer(0) }),
    "serial number negative": certificateOf({ serialNumber: der.element(2, Uint8Array.of(0x80)) }),
    "serial number of 21 octets": certificateOf({ serialNumber: der.unsignedInteger(new Uint8Array(21).fill(1)) }),
    "no serial number": certificateOf({ serialNumber: none }),
    "no issuer": certificateOf({ issuer: none }),
    "no subject": certificateOf({ subject: none }),
    "no validity": certificateOf({ validity: none }),
    "validity with one date": certificateOf({ validity: der.sequence([der.time(0)]) }),
    "validity with three dates": certificateOf({ validity: der.sequence([der.time(0), der.time(0), der.time(0)]) }),
    "no key": certificateOf({ key: none }),
    "no signature algorithm inside": certificateOf({ signature: none }),
    "another algorithm outside": certificateOf({}, der.sequence([der.objectIdentifier("1.2.840.10045.4.3.2")])),
    "something after the signature": certificateOf({}, ed25519, [der.nullValue()]),
    "extensions in version 1": certificateOf({ version: none, extensions: der.explicit(3, basicConstraints) }),
    "unique identifier in version 1": certificateOf({
      version: none,
      issuerUniqueId: der.implicit(1, der.bitString(none)),
    }),
    "extensions twice": certificateOf({
      issuerUniqueId: der.explicit(3, basicConstraints),
      extensions: der.explicit(3, basicConstraints),
    }),
    "a SEQUENCE too few": der.sequence([]),
    nothing: none,
    "an octet after it": new Uint8Array([...rfc9148Root, 0]),
  };
  for (const [name, bytes] of Object.entries(cases))
    assert.throws(
      () => parseCertificate(bytes),
      (error) => error instanceof PkiError && error.code === "malformed-certificate",
      name,
    );
  const only = der.sequence([der.objectIdentifier("2.5.29.19"), der.octetString(none)]);
  assert.throws(() => parseCertificate(certificateOf({ extensions: der.explicit(3, der.sequence([only, only])) })), {
    code: "duplicate-extension",
  });
});

test("fail/a weak key is found when it is asked for", () => {
  const weak = der.sequence([
    der.sequence([der.objectIdentifier("1.2.840.113549.1.1.1"), der.nullValue()]),
    der.bitString(der.sequence([der.unsignedInteger(new Uint8Array(128).fill(0xc1)), der.integer(65_537)])),
  ]);
  const certificate = parseCertificate(certificateOf({ key: weak }));
  assert.throws(() => certificate.publicKey, { code: "weak-key" });
});

test("ok/damaged certificates are answered with a PkiError, a CryptoError for the key, or a certificate", () => {
  const samples = [rfc9148Root, ...certificatesOf(vectors.rfc7030A3.response)];
  for (const [seed, sample] of samples.entries())
    for (const mutation of mutations(seed, sample, 2000)) {
      try {
        const certificate = parseCertificate(mutation);
        basicConstraintsOf(certificate.extensions);
        subjectAltNameOf(certificate.extensions);
        formatName(certificate.subject);
        void certificate.publicKey;
      } catch (error) {
        assert.ok(error instanceof PkiError || error instanceof CryptoError, String(error));
      }
    }
});
