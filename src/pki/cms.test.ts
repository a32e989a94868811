import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, hex, utf8 } from "../core/bytes.ts";
import { decodeWireBase64 } from "../encoding/base64.ts";
import * as der from "../encoding/der-writer.ts";
import { parseCertificate } from "./certificate.ts";
import { decodeCertsOnly, encodeCertsOnly } from "./cms.ts";
import { parseCertificationRequest } from "./csr.ts";
import { PkiError } from "./errors.ts";
import { formatName } from "./name.ts";
import { contentTypes } from "./oids.ts";

const vectors = JSON.parse(readFileSync(new URL("testdata/est.json", import.meta.url), "utf8"));
const bytesOf = (text: string) => decodeWireBase64(utf8(text));

const certificates = decodeCertsOnly(bytesOf(vectors.rfc7030A1.cacerts));
const [certificate = new Uint8Array()] = decodeCertsOnly(bytesOf(vectors.rfc9148A1.cacerts));

const none: Uint8Array = new Uint8Array();

const fields = {
  version: der.integer(1),
  digestAlgorithms: der.setOf([]),
  encapContentInfo: der.sequence([der.objectIdentifier(contentTypes.data)]),
  certificates: der.implicit(0, der.setOf([certificate])),
  crls: none,
  signerInfos: der.setOf([]),
};

function messageOf(changes: Partial<typeof fields>, type: string = contentTypes.signedData): Uint8Array {
  const signedData = der.sequence(Object.values({ ...fields, ...changes }));
  return der.sequence([der.objectIdentifier(type), der.explicit(0, signedData)]);
}

/** An element of indefinite length. */
function streamed(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([Uint8Array.of(tag, 0x80), ...parts, new Uint8Array(2)]);
}

test("ok/the messages of RFC 7030 and RFC 9148", () => {
  assert.equal(certificates.length, 4);
  const issued = decodeCertsOnly(bytesOf(vectors.rfc7030A3.response)).map(parseCertificate);
  assert.deepEqual(
    issued.map(({ subject, issuer }) => [formatName(subject), formatName(issuer)]),
    [[vectors.rfc7030A3.subject, vectors.rfc7030A3.issuer]],
  );
  const request = parseCertificationRequest(bytesOf(vectors.rfc7030A3.csr));
  assert.ok(equal(issued[0]?.subjectPublicKeyInfo ?? new Uint8Array(), request.subjectPublicKeyInfo));
  assert.equal(formatName(parseCertificate(certificate).subject), vectors.rfc9148A1.subject);
  assert.equal(decodeCertsOnly(bytesOf(vectors.rfc9148A3.response)).length, 1);
});

test("ok/what is encoded is decoded, in the order of a SET OF", () => {
  const encoded = encodeCertsOnly(certificates);
  const decoded = decodeCertsOnly(encoded);
  assert.deepEqual(decoded.map(hex), certificates.map(hex).sort());
  assert.ok(equal(encodeCertsOnly([...certificates].reverse()), encoded));
  assert.ok(equal(encodeCertsOnly([certificate]), messageOf({})));
});

test("ok/forms that other writers use", () => {
  const expected = hex(certificate);
  const forms = [
    messageOf({ crls: der.implicit(1, der.setOf([])) }),
    messageOf({ version: der.integer(3) }),
    messageOf({ digestAlgorithms: der.setOf([der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.2.1")])]) }),
    messageOf({
      encapContentInfo: der.sequence([
        der.objectIdentifier(contentTypes.data),
        der.explicit(0, der.octetString(new Uint8Array())),
      ]),
    }),
  ];
  for (const form of forms) assert.deepEqual(decodeCertsOnly(form).map(hex), [expected]);
});

test("ok/BER of Bouncy Castle and OpenSSL streaming; certificates are kept byte for byte", () => {
  const signedData = streamed(
    0x30,
    fields.version,
    fields.digestAlgorithms,
    streamed(0x30, der.objectIdentifier(contentTypes.data), streamed(0xa0, streamed(0x24))),
    streamed(0xa0, ...certificates),
    fields.signerInfos,
  );
  const message = streamed(0x30, der.objectIdentifier(contentTypes.signedData), streamed(0xa0, signedData));
  assert.deepEqual(decodeCertsOnly(message).map(hex), certificates.map(hex));
});

test("fail/a certificate that is BER is not made DER", () => {
  const [, , , ...rest] = certificate;
  assert.equal(hex(certificate.subarray(0, 2)), "3082");
  const longer = new Uint8Array([0x30, 0x83, 0x00, certificate[2] ?? 0, ...rest]);
  const message = messageOf({ certificates: der.implicit(0, der.setOf([longer])) });
  assert.throws(() => decodeCertsOnly(message), { code: "malformed-cms" });
});

test("fail/messages that are something else", () => {
  const content = der.explicit(0, der.octetString(utf8("content")));
  const cases = [
    ["not-certs-only", messageOf({}, "1.2.840.113549.1.7.3")],
    ["not-certs-only", messageOf({}, contentTypes.data)],
    ["not-certs-only", messageOf({ signerInfos: der.setOf([der.sequence([])]) })],
    ["not-certs-only", messageOf({ encapContentInfo: der.sequence([der.objectIdentifier("1.3.6.1.5.5.7.12.3")]) })],
    [
      "not-certs-only",
      messageOf({ encapContentInfo: der.sequence([der.objectIdentifier(contentTypes.data), content]) }),
    ],
    ["malformed-cms", messageOf({ certificates: none })],
    ["malformed-cms", messageOf({ certificates: der.implicit(0, der.setOf([])) })],
    ["malformed-cms", messageOf({ certificates: der.implicit(0, der.setOf([der.implicit(1, der.sequence([]))])) })],
    ["malformed-cms", messageOf({ certificates: der.implicit(0, der.setOf(Array(33).fill(certificate))) })],
    ["malformed-cms", messageOf({ version: none })],
    ["malformed-cms", messageOf({ version: der.integer(6) })],
    ["malformed-cms", messageOf({ digestAlgorithms: none })],
    ["malformed-cms", messageOf({ encapContentInfo: none })],
    ["malformed-cms", messageOf({ signerInfos: none })],
    ["malformed-cms", certificate],
    ["malformed-cms", none],
    ["malformed-cms", new Uint8Array([...messageOf({}), 0])],
    ["malformed-cms", new Uint8Array(262_145)],
  ] as const;
  for (const [i, [code, message]] of cases.entries())
    assert.throws(
      () => decodeCertsOnly(message),
      (error) => error instanceof PkiError && error.code === code,
      `case ${i} must be refused as ${code}`,
    );
});

test("ok/damaged messages are answered with a PkiError or with bytes that were in them", () => {
  for (const mutation of mutations(30, encodeCertsOnly(certificates), 3000)) {
    try {
      for (const found of decodeCertsOnly(mutation)) assert.ok(Buffer.from(mutation).includes(found));
    } catch (error) {
      assert.ok(error instanceof PkiError, String(error));
    }
  }
});

test("ok/any certificates are read back, in the order of a SET OF", () => {
  const element = fc.uint8Array({ maxLength: 40 }).map((content) => der.sequence([der.octetString(content)]));
  fc.assert(
    fc.property(fc.array(element, { minLength: 1, maxLength: 32 }), (elements) => {
      const sorted = elements.map(hex).sort();
      assert.deepEqual(decodeCertsOnly(encodeCertsOnly(elements)).map(hex), sorted);
    }),
    { seed: 21, numRuns: 200 },
  );
});
