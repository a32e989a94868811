import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { concat, hex } from "../core/bytes.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import * as der from "../encoding/der-writer.ts";
import { parseCertificate } from "./certificate.ts";
import { type Extension, encodeExtensions } from "./extensions.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName, parseName } from "./name.ts";
import { encodeCertId, issuerNames, issuerOfCertId } from "./ocsp-cert-id.ts";
import { OcspError, type OcspErrorCode } from "./ocsp-errors.ts";
import { buildOcspRequest, parseOcspRequest } from "./ocsp-request.ts";
import { type OcspExpectation, parseOcspResponse, verifyOcspResponse } from "./ocsp-response.ts";
import { buildOcspError, buildOcspResponse, type OcspResponseContent } from "./ocsp-response-build.ts";
import type { CertStatus } from "./ocsp-statuses.ts";
import { attributeTypes, keyPurposes, ocspTypes } from "./oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage } from "./standard-extensions.ts";

const hour = 3_600_000;
const now = Date.UTC(2026, 5, 1, 12);
const key = signerOf(generateKey("P-256"));
const responderKey = signerOf(generateKey("P-256"));
const strangersKey = signerOf(generateKey("P-256"));
const serialNumber = Uint8Array.of(0x12, 0x34);
const nonce = new Uint8Array(32).fill(7);

async function certificateOf(
  subject: string,
  {
    issuer = "Issuing",
    signer = key,
    publicKey = key.publicKey,
    extensions = [],
    notAfter = now + 24 * hour,
  }: {
    readonly issuer?: string;
    readonly signer?: Signer;
    readonly publicKey?: Uint8Array;
    readonly extensions?: readonly Extension[];
    readonly notAfter?: number;
  } = {},
) {
  const name = (value: string) => encodeName([{ type: attributeTypes.commonName, value }]);
  return buildCertificate({
    serialNumber: Uint8Array.of(9),
    issuer: name(issuer),
    subject: name(subject),
    publicKey,
    notBefore: now - hour,
    notAfter,
    extensions,
    signer,
  });
}

const forOcsp = encodeExtKeyUsage([keyPurposes.OCSPSigning]);
const issuer = parseCertificate(await certificateOf("Issuing"));
const responder = await certificateOf("Responder", { publicKey: responderKey.publicKey, extensions: [forOcsp] });
const certId = encodeCertId("sha1", issuer, serialNumber);
const expected: OcspExpectation = { issuer, serialNumber, at: now + 1, nonce };
const content: OcspResponseContent = {
  responses: [{ certId, status: { kind: "good" } }],
  thisUpdate: now,
  nextUpdate: now + hour,
  nonce,
  signer: key,
};

const answer = async (changes: Partial<OcspResponseContent> = {}) =>
  parseOcspResponse(await buildOcspResponse({ ...content, ...changes }));

function refuses(code: OcspErrorCode, run: () => unknown, name: string): void {
  assert.throws(
    run,
    (error) => error instanceof OcspError && error.code === code,
    `${name} must be refused as ${code}`,
  );
}

const extension = (type: string, value: Uint8Array, critical = false): Extension => ({ type, critical, value });

/** A request out of its parts; each list of octets in `changes` takes the place of one. */
function requestOf(
  changes: Partial<Record<"version" | "name" | "list" | "extensions" | "signature", Uint8Array>>,
): Uint8Array {
  const none = new Uint8Array();
  const { version = none, name = none, list = der.sequence([der.sequence([certId])]), signature = none } = changes;
  return der.sequence([der.sequence([version, name, list, changes.extensions ?? none]), signature]);
}

const withExtension = (...extensions: readonly Extension[]) => der.explicit(2, encodeExtensions(extensions));

test("ok/a request is read back, with both hashes, with and without a nonce", () => {
  for (const hash of ["sha1", "sha256"] as const) {
    const request = parseOcspRequest(buildOcspRequest({ issuer, serialNumber, nonce, hash }), 1);
    assert.equal(request.signed, false);
    assert.equal(hex(request.nonce ?? new Uint8Array()), hex(nonce));
    const [asked] = request.certIds;
    assert.ok(asked);
    assert.equal(hex(asked.serialNumber), "1234");
    assert.ok(issuerNames(issuer).includes(issuerOfCertId(asked)));
  }
  assert.equal(parseOcspRequest(buildOcspRequest({ issuer, serialNumber }), 1).nonce, undefined);
});

test("ok/a request of everything that RFC 6960 allows", () => {
  const certificate = der.sequence([der.sequence([]), der.sequence([]), der.bitString(Uint8Array.of(1))]);
  const signature = der.sequence([
    key.algorithm,
    der.bitString(Uint8Array.of(1)),
    der.explicit(0, der.sequence([certificate])),
  ]);
  const unknown = extension("1.3.6.1.5.5.7.48.1.4", der.nullValue());
  const request = parseOcspRequest(
    requestOf({
      name: der.explicit(1, der.explicit(4, issuer.subject.raw)),
      list: der.sequence([
        der.sequence([certId, der.explicit(0, encodeExtensions([unknown]))]),
        der.sequence([encodeCertId("sha256", issuer, Uint8Array.of(5))]),
      ]),
      extensions: withExtension(unknown, extension(ocspTypes.nonce, der.octetString(Uint8Array.of(1)), true)),
      signature: der.explicit(0, signature),
    }),
    2,
  );
  assert.deepEqual([request.signed, request.certIds.length, request.nonce?.length], [true, 2, 1]);
});

test("fail/requests", () => {
  const critical = extension("1.2.3", der.nullValue(), true);
  const nonceOf = (length: number) =>
    withExtension(extension(ocspTypes.nonce, der.octetString(new Uint8Array(length))));
  const entry = der.sequence([certId]);
  const malformed: Readonly<Record<string, Uint8Array>> = {
    empty: new Uint8Array(),
    truncated: requestOf({}).subarray(0, -1),
    "trailing bytes": concat([requestOf({}), der.nullValue()]),
    "a version": requestOf({ version: der.explicit(0, der.integer(0)) }),
    "no certificate": requestOf({ list: der.sequence([]) }),
    "more than asked for": requestOf({ list: der.sequence([entry, entry, entry]) }),
    "a nonce of 0 octets": requestOf({ extensions: nonceOf(0) }),
    "a nonce of 129 octets": requestOf({ extensions: nonceOf(129) }),
    "a nonce that is no OCTET STRING": requestOf({ extensions: withExtension(extension(ocspTypes.nonce, nonce)) }),
    "a serial number of 21 octets": requestOf({
      list: der.sequence([der.sequence([encodeCertId("sha1", issuer, new Uint8Array(21).fill(1))])]),
    }),
    "hash parameters": requestOf({
      list: der.sequence([
        der.sequence([
          der.sequence([
            der.sequence([der.objectIdentifier("1.3.14.3.2.26"), der.integer(1)]),
            der.octetString(nonce),
            der.octetString(nonce),
            der.integer(1),
          ]),
        ]),
      ]),
    }),
    "the same extension twice": requestOf({
      extensions: der.explicit(
        2,
        der.sequence([1, 1].map(() => der.sequence([der.objectIdentifier("1.2"), der.octetString(nonce)]))),
      ),
    }),
    "an empty signature": requestOf({ signature: der.explicit(0, der.sequence([])) }),
  };
  for (const [name, bytes] of Object.entries(malformed))
    refuses("malformed-ocsp", () => parseOcspRequest(bytes, 2), name);
  assert.equal(parseOcspRequest(requestOf({ extensions: nonceOf(128) }), 1).nonce?.length, 128);
  refuses("critical-extension", () => parseOcspRequest(requestOf({ extensions: withExtension(critical) }), 1), "list");
  const single = der.sequence([der.sequence([certId, der.explicit(0, encodeExtensions([critical]))])]);
  refuses("critical-extension", () => parseOcspRequest(requestOf({ list: single }), 1), "single");
  refuses(
    "unencodable",
    () => buildOcspRequest({ issuer, serialNumber, nonce: new Uint8Array(129) }),
    "a nonce of 129 octets",
  );
});

test("ok/each status is read back and verified, from the issuer and from a delegated responder", async () => {
  const statuses: readonly CertStatus[] = [
    { kind: "good" },
    { kind: "unknown" },
    { kind: "revoked", revocationTime: Date.UTC(1999, 0, 1) },
    { kind: "revoked", revocationTime: now, reason: "keyCompromise" },
  ];
  for (const status of statuses)
    for (const signing of [{}, { signer: responderKey, responder }])
      for (const hash of ["sha1", "sha256"] as const) {
        const responses = [{ certId: encodeCertId(hash, issuer, serialNumber), status }];
        assert.deepEqual(verifyOcspResponse(await answer({ responses, ...signing }), expected), status);
      }
  const unspecified = { kind: "revoked", revocationTime: now, reason: "unspecified" } as const;
  const left = verifyOcspResponse(await answer({ responses: [{ certId, status: unspecified }] }), expected);
  assert.deepEqual(left, { kind: "revoked", revocationTime: now });
});

test("ok/several answers in one response, and a responder by its name", async () => {
  const other = encodeCertId("sha1", issuer, Uint8Array.of(5));
  const responses = [
    { certId: other, status: { kind: "unknown" } },
    { certId, status: { kind: "good" } },
  ] as const;
  assert.deepEqual(verifyOcspResponse(await answer({ responses }), expected), { kind: "good" });
  const byName = await answer();
  assert.ok(byName.kind === "basic");
  const renamed = { ...byName, responderId: { byName: parseName(issuer.subject.raw) } };
  assert.deepEqual(verifyOcspResponse(renamed, expected), { kind: "good" });
});

test("ok/error statuses are read back", () => {
  for (const status of ["malformedRequest", "internalError", "tryLater", "sigRequired", "unauthorized"] as const)
    assert.deepEqual(parseOcspResponse(buildOcspError(status)), { kind: "error", status });
});

test("fail/answers that must not be believed", async () => {
  const delegated = async (changes: Parameters<typeof certificateOf>[1], signer = responderKey) =>
    answer({
      signer,
      responder: await certificateOf("Responder", {
        publicKey: signer.publicKey,
        extensions: [forOcsp],
        ...changes,
      }),
    });
  const critical = extension("1.2.3", der.nullValue(), true);
  const good = await answer();
  assert.ok(good.kind === "basic");
  const { nonce: _, ...withoutNonce } = content;
  const forged = {
    ...good,
    signature: ((await answer({ nextUpdate: now + 2 * hour, signer: key })) as typeof good).signature,
  };
  for (const [name, code, response, expectation] of [
    ["an error status", "not-successful", parseOcspResponse(buildOcspError("tryLater")), {}],
    ["another signature", "bad-signature", forged, {}],
    ["no responder's certificate", "not-the-responder", await answer({ signer: strangersKey }), {}],
    ["a responder without the purpose", "not-the-responder", await delegated({ extensions: [] }), {}],
    [
      "one with any purpose",
      "not-the-responder",
      await delegated({ extensions: [encodeExtKeyUsage([keyPurposes.anyExtendedKeyUsage])] }),
      {},
    ],
    [
      "one that signs certificates only",
      "not-the-responder",
      await delegated({ extensions: [forOcsp, encodeKeyUsage(["keyCertSign"])] }),
      {},
    ],
    ["one of another issuer", "not-the-responder", await delegated({ issuer: "Other" }), {}],
    ["one that a stranger signed", "not-the-responder", await delegated({ signer: strangersKey }), {}],
    ["one with a critical extension", "not-the-responder", await delegated({ extensions: [forOcsp, critical] }), {}],
    ["one whose key is none", "malformed-ocsp", await delegated({ publicKey: der.sequence([]) }), {}],
    ["an expired one", "not-the-responder", await delegated({ notAfter: now }), {}],
    ["another serial number", "other-certificate", good, { serialNumber: Uint8Array.of(1) }],
    [
      "another issuer",
      "not-the-responder",
      good,
      { issuer: parseCertificate(await certificateOf("Issuing", { publicKey: strangersKey.publicKey })) },
    ],
    ["another nonce", "other-nonce", good, { nonce: new Uint8Array(32) }],
    ["no nonce", "other-nonce", parseOcspResponse(await buildOcspResponse(withoutNonce)), {}],
    ["an answer of tomorrow", "not-current", good, { at: now - 1 }],
    ["an answer of yesterday", "not-current", good, { at: now + hour }],
  ] as const)
    refuses(code, () => verifyOcspResponse(response, { ...expected, ...expectation }), name);
});

test("fail/malformed responses", async () => {
  const whole = await buildOcspResponse(content);
  const responseOf = (type: string, basic: Uint8Array) =>
    der.sequence([
      Uint8Array.of(0x0a, 1, 0),
      der.explicit(0, der.sequence([der.objectIdentifier(type), der.octetString(basic)])),
    ]);
  for (const [name, bytes] of Object.entries({
    empty: new Uint8Array(),
    truncated: whole.subarray(0, -1),
    "success without an answer": der.sequence([Uint8Array.of(0x0a, 1, 0)]),
    "an error with an answer": Uint8Array.from([...whole.subarray(0, 6), 1, ...whole.subarray(7)]),
    "a status that is not used": der.sequence([Uint8Array.of(0x0a, 1, 4)]),
    "another type": responseOf("1.2.3", der.sequence([])),
    "an empty answer": responseOf(ocspTypes.basic, der.sequence([])),
    "not an answer": responseOf(ocspTypes.basic, new Uint8Array()),
  }))
    refuses("malformed-ocsp", () => parseOcspResponse(bytes), name);
});

test("ok/property: any statuses, times and nonces survive", async () => {
  const seconds = fc.integer({ min: 0, max: 253_402_300_799 }).map((value) => value * 1000);
  const status: fc.Arbitrary<CertStatus> = fc.oneof(
    fc.constant({ kind: "good" } as const),
    fc.constant({ kind: "unknown" } as const),
    seconds.map((revocationTime) => ({ kind: "revoked", revocationTime }) as const),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 19 }), status), { minLength: 1, maxLength: 5 }),
      fc.uint8Array({ minLength: 1, maxLength: 128 }),
      seconds,
      async (asked, anyNonce, thisUpdate) => {
        const responses = asked.map(([serial, said]) => ({
          certId: encodeCertId("sha256", issuer, Uint8Array.of(1, ...serial)),
          status: said,
        }));
        const response = await answer({ responses, nonce: anyNonce, thisUpdate, nextUpdate: thisUpdate });
        assert.ok(response.kind === "basic");
        assert.deepEqual(
          response.responses.map((single) => [hex(single.certId.raw), single.status, single.thisUpdate]),
          responses.map((single) => [hex(single.certId), single.status, thisUpdate]),
        );
        assert.equal(hex(response.nonce ?? new Uint8Array()), hex(anyNonce));
      },
    ),
    { numRuns: 30, seed: 6960 },
  );
});

test("fail/mutations end in a value or in an OcspError", async () => {
  const samples: readonly (readonly [Uint8Array, (bytes: Uint8Array) => unknown])[] = [
    [buildOcspRequest({ issuer, serialNumber, nonce }), (bytes) => parseOcspRequest(bytes, 4)],
    [await buildOcspResponse({ ...content, responder, signer: responderKey }), parseOcspResponse],
  ];
  for (const [sample, parse] of samples)
    for (const mutation of mutations(6960, sample, 3_000))
      try {
        parse(mutation);
      } catch (error) {
        assert.ok(error instanceof OcspError, String(error));
      }
});
