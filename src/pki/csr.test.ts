import assert from "node:assert/strict";
import { verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { equal, hex, utf8, view } from "../core/bytes.ts";
import { CryptoError } from "../crypto/errors.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import { decodeWireBase64 } from "../encoding/base64.ts";
import * as der from "../encoding/der-writer.ts";
import { buildCertificationRequest, parseCertificationRequest, verifyProofOfPossession } from "./csr.ts";
import { PkiError } from "./errors.ts";
import { encodeName, formatName } from "./name.ts";
import { attributeTypes, keyPurposes, requestAttributes } from "./oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage, encodeSubjectAltName, subjectAltNameOf } from "./standard-extensions.ts";

const vectors = JSON.parse(readFileSync(new URL("testdata/est.json", import.meta.url), "utf8"));
const rfc7030A3 = decodeWireBase64(utf8(vectors.rfc7030A3.csr));
const rfc9148A3 = decodeWireBase64(utf8(vectors.rfc9148A3.csr));

const signer = signerOf(generateKey("Ed25519"));
const subject = encodeName([{ type: attributeTypes.serialNumber, value: "42" }]);

function attributeOf(type: string, ...values: Uint8Array[]): Uint8Array {
  return der.sequence([der.objectIdentifier(type), der.setOf(values)]);
}

function requestOf(attributes: readonly Uint8Array[] | undefined, more: readonly Uint8Array[] = []): Uint8Array {
  const set = attributes === undefined ? [] : [der.implicit(0, der.setOf(attributes))];
  const info = der.sequence([der.integer(0), subject, signer.publicKey, ...set, ...more]);
  return der.sequence([info, signer.algorithm, der.bitString(signer.sign(info))]);
}

const password = der.printableString("secret");
const extensionList = der.sequence([
  der.sequence([der.objectIdentifier("2.5.29.15"), der.octetString(der.namedBits([0]))]),
]);

test("ok/RFC 7030 A.3: RSA, SHA-1, challengePassword", () => {
  const request = parseCertificationRequest(rfc7030A3);
  assert.equal(formatName(request.subject), vectors.rfc7030A3.subject);
  assert.equal(request.challengePassword, vectors.rfc7030A3.challengePassword);
  assert.deepEqual(request.extensionRequest, []);
  assert.deepEqual([request.publicKey.kind, request.publicKey.bits], ["RSA", 2048]);
  assert.throws(() => verifyProofOfPossession(request), { code: "unsupported-algorithm" });
  // What is cut out of the request is what was signed.
  const { certificationRequestInfo, signature } = request;
  assert.ok(verify("sha1", view(certificationRequestInfo), request.publicKey.keyObject, view(signature)));
});

test("ok/RFC 9148 A.3: P-256, no attributes", () => {
  const request = parseCertificationRequest(rfc9148A3);
  assert.equal(formatName(request.subject), vectors.rfc9148A3.subject);
  assert.deepEqual(request.attributes, []);
  assert.equal(request.challengePassword, undefined);
  assert.equal(verifyProofOfPossession(request), true);
});

test("ok/what is built is read back and proves possession", async () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const own = signerOf(generateKey(kind));
    const extensions = [
      encodeKeyUsage(["digitalSignature"]),
      encodeExtKeyUsage([keyPurposes.clientAuth]),
      encodeSubjectAltName([{ kind: "dNSName", text: "device.example" }]),
    ];
    const built = await buildCertificationRequest({ subject, signer: own, extensions, challengePassword: "grüße" });
    const request = parseCertificationRequest(built);
    assert.ok(equal(request.subject.raw, subject));
    assert.ok(equal(request.subjectPublicKeyInfo, own.publicKey));
    assert.equal(request.challengePassword, "grüße");
    assert.deepEqual(
      request.extensionRequest.map(({ type, value }) => [type, hex(value)]),
      extensions.map(({ type, value }) => [type, hex(value)]),
    );
    assert.deepEqual(subjectAltNameOf(request.extensionRequest), [{ kind: "dNSName", text: "device.example" }]);
    assert.equal(verifyProofOfPossession(request), true, kind);
  }
});

test("ok/an empty set of attributes is written, a missing one is understood", async () => {
  const built = await buildCertificationRequest({ subject, signer });
  const info = parseCertificationRequest(built).certificationRequestInfo;
  assert.equal(hex(info.subarray(-2)), "a000");
  const request = parseCertificationRequest(requestOf(undefined));
  assert.deepEqual(request.attributes, []);
  assert.equal(verifyProofOfPossession(request), true);
});

test("ok/unknown attributes are kept, and passwords in every DirectoryString", () => {
  const unknown = attributeOf("1.2.3.4", der.nullValue(), der.integer(1));
  const request = parseCertificationRequest(requestOf([unknown]));
  assert.equal(request.attributes[0]?.values.length, 2);
  for (const value of [der.utf8String("a"), der.element(0x14, utf8("a")), der.element(0x1e, Uint8Array.of(0, 0x61))])
    assert.equal(
      parseCertificationRequest(requestOf([attributeOf(requestAttributes.challengePassword, value)])).challengePassword,
      "a",
    );
});

test("ok/a signature by another key is no proof", async () => {
  const own = signerOf(generateKey("P-256"));
  const other = signerOf(generateKey("P-256"));
  const request = await buildCertificationRequest({ subject, signer: { ...own, sign: other.sign } });
  assert.equal(verifyProofOfPossession(parseCertificationRequest(request)), false);
  const mixed = await buildCertificationRequest({ subject, signer: { ...signer, publicKey: own.publicKey } });
  assert.equal(verifyProofOfPossession(parseCertificationRequest(mixed)), false);
});

test("fail/attributes", () => {
  const { challengePassword, extensionRequest } = requestAttributes;
  const cases = [
    ["duplicate-attribute", [attributeOf(challengePassword, password), attributeOf(challengePassword, password)]],
    ["duplicate-attribute", [attributeOf("1.2.3", password), attributeOf("1.2.3", password)]],
    ["malformed-request", [attributeOf(challengePassword)]],
    ["malformed-request", [attributeOf(challengePassword, password, der.printableString("other"))]],
    ["malformed-request", [attributeOf(challengePassword, der.octetString(utf8("secret")))]],
    ["malformed-request", [attributeOf(challengePassword, der.ia5String("secret"))]],
    ["malformed-request", [attributeOf(challengePassword, der.utf8String("a".repeat(256)))]],
    ["malformed-request", [attributeOf(extensionRequest)]],
    ["malformed-request", [attributeOf(extensionRequest, extensionList, der.sequence([]))]],
    ["malformed-request", [attributeOf(extensionRequest, der.objectIdentifier("1.3.6.1.1.1.1.22"))]],
    ["duplicate-extension", [attributeOf(extensionRequest, doubled(extensionList))]],
    ["malformed-request", Array.from({ length: 33 }, (_, i) => attributeOf(`1.2.${i}`))],
  ] as const;
  for (const [i, [code, attributes]] of cases.entries())
    assert.throws(
      () => parseCertificationRequest(requestOf(attributes)),
      (error) => error instanceof PkiError && error.code === code,
      `case ${i} must be refused as ${code}`,
    );
});

test("fail/structure", () => {
  const built = requestOf([]);
  const [version, key, algorithm] = [der.integer(1), signer.publicKey, signer.algorithm];
  const signature = der.bitString(new Uint8Array(64));
  const emptySet = der.implicit(0, der.setOf([]));
  const cases: Record<string, Uint8Array> = {
    nothing: new Uint8Array(),
    "an octet after it": new Uint8Array([...built, 0]),
    "cut short": built.subarray(0, -1),
    "version 1": der.sequence([der.sequence([version, subject, key, emptySet]), algorithm, signature]),
    "no subject": der.sequence([der.sequence([der.integer(0), key, emptySet]), algorithm, signature]),
    "no key": der.sequence([der.sequence([der.integer(0), subject, emptySet]), algorithm, signature]),
    "attributes twice": requestOf([], [emptySet]),
    "no signature": der.sequence([der.sequence([der.integer(0), subject, key, emptySet]), algorithm]),
    "no algorithm": der.sequence([der.sequence([der.integer(0), subject, key, emptySet]), signature]),
    "too large": requestOf([attributeOf("1.2.3", der.octetString(new Uint8Array(65_536)))]),
  };
  for (const [name, bytes] of Object.entries(cases))
    assert.throws(() => parseCertificationRequest(bytes), { code: "malformed-request" }, name);
});

test("fail/requests that cannot be built", async () => {
  const extension = encodeKeyUsage(["digitalSignature"]);
  await assert.rejects(buildCertificationRequest({ subject, signer, extensions: [extension, extension] }), {
    code: "duplicate-extension",
  });
  for (const challengePassword of ["", "a".repeat(256), "\ud800"])
    await assert.rejects(buildCertificationRequest({ subject, signer, challengePassword }), { code: "unencodable" });
});

test("ok/damaged requests are answered with a PkiError, a CryptoError, or no proof", () => {
  const { challengePassword, extensionRequest } = requestAttributes;
  const own = requestOf([attributeOf(challengePassword, password), attributeOf(extensionRequest, extensionList)]);
  for (const [seed, sample] of [own, rfc9148A3, rfc7030A3].entries()) {
    const { certificationRequestInfo } = parseCertificationRequest(sample);
    for (const mutation of mutations(seed + 20, sample, 2000)) {
      try {
        const request = parseCertificationRequest(mutation);
        if (verifyProofOfPossession(request))
          assert.ok(
            equal(request.certificationRequestInfo, certificationRequestInfo),
            "a changed request proves possession",
          );
      } catch (error) {
        assert.ok(error instanceof PkiError || error instanceof CryptoError, String(error));
      }
    }
  }
});

function doubled(list: Uint8Array): Uint8Array {
  const item = list.subarray(2);
  return der.sequence([item, item]);
}

test("ok/any password and extensions are read back", async () => {
  const type = fc.integer({ min: 0, max: 2 ** 40 }).map((arc) => `1.3.6.1.4.1.32473.${arc}`);
  const extension = fc.record({ type, critical: fc.boolean(), value: fc.uint8Array({ maxLength: 50 }) });
  const password = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(
      fc.option(password, { nil: undefined }),
      fc.uniqueArray(extension, { selector: ({ type }) => type, maxLength: 5 }),
      async (challengePassword, extensions) => {
        const options = challengePassword === undefined ? {} : { challengePassword };
        const bytes = await buildCertificationRequest({ subject, signer, extensions, ...options });
        const request = parseCertificationRequest(bytes);
        assert.equal(request.challengePassword, challengePassword);
        assert.deepEqual(
          request.extensionRequest.map((each) => ({ ...each, value: hex(each.value) })),
          extensions.map((each) => ({ ...each, value: hex(each.value) })),
        );
        assert.ok(verifyProofOfPossession(request));
      },
    ),
    { seed: 22, numRuns: 100 },
  );
});
