import assert from "node:assert/strict";
import { sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { concat, equal, hex, textOf, utf8 } from "../core/bytes.ts";
import { signatureAlgorithms } from "../crypto/algorithms.ts";
import { digest } from "../crypto/digest.ts";
import { generateKey, signerOf, verifySignature } from "../crypto/keys.ts";
import { decodeWireBase64 } from "../encoding/base64.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { parseCertificate } from "./certificate.ts";
import { CmsError, type CmsErrorCode } from "./cms-errors.ts";
import { encodeIdentifier, identifiersOf, issuerAndSerialNumberOf } from "./cms-identifier.ts";
import { parseSignedData, type VerificationInput, verifySignedData, verifySignedDataByKey } from "./cms-signed-data.ts";
import { buildSignedData, type SignedDataContent } from "./cms-signed-data-build.ts";
import { encodeAttribute, encodeSignedAttributes } from "./cms-signer-info.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName } from "./name.ts";
import { attributeTypes, cmsAttributes, contentTypes } from "./oids.ts";
import { encodeSubjectKeyIdentifier, keyIdentifierOf } from "./standard-extensions.ts";

const vectors = JSON.parse(readFileSync(new URL("testdata/rfc8995.json", import.meta.url), "utf8"));
const bytesOf = (text: string) => decodeWireBase64(utf8(text));
const none: Uint8Array = new Uint8Array();

const key = generateKey("P-256");
const signer = signerOf(key);
const certificate = await certificateFor(signer);
const sid = issuerAndSerialNumberOf(certificate);
const content = utf8('{"ietf-voucher:voucher":{}}');
const eContentType = contentTypes.animaJsonVoucher;

async function certificateFor(subject: ReturnType<typeof signerOf>, serialNumber = Uint8Array.of(9), name = "Signer") {
  const dn = encodeName([{ type: attributeTypes.commonName, value: name }]);
  return parseCertificate(
    await buildCertificate({
      serialNumber,
      issuer: dn,
      subject: dn,
      publicKey: subject.publicKey,
      notBefore: 0,
      notAfter: 253_402_300_799_000,
      extensions: [encodeSubjectKeyIdentifier(keyIdentifierOf(subject.publicKey))],
      signer: subject,
    }),
  );
}

const message: SignedDataContent = {
  eContentType,
  content,
  signers: [{ signer, sid, signingTime: Date.UTC(2026, 5, 1) }],
  certificates: [certificate.raw],
};

const signedAttrs = encodeSignedAttributes({
  contentType: eContentType,
  messageDigest: digest("sha256", content),
  signingTime: undefined,
});
const sha256Identifier = der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.2.1")]);
const infoFields = {
  version: der.integer(1),
  sid: encodeIdentifier(sid),
  digestAlgorithm: sha256Identifier,
  signedAttrs,
  signatureAlgorithm: signer.algorithm,
  signature: none,
  unsignedAttrs: none,
};

/** A SignerInfo whose signature is right for whatever attributes it has. */
function infoOf(changes: Partial<typeof infoFields> = {}): Uint8Array {
  const fields = { ...infoFields, ...changes };
  const attributes = fields.signedAttrs.length > 0 ? der.implicit(0, fields.signedAttrs) : none;
  const signature = fields.signature.length > 0 ? fields.signature : der.octetString(signer.sign(fields.signedAttrs));
  return der.sequence(Object.values({ ...fields, signedAttrs: attributes, signature }));
}

const dataFields = {
  version: der.integer(3),
  digestAlgorithms: der.setOf([sha256Identifier]),
  encapContentInfo: der.sequence([der.objectIdentifier(eContentType), der.explicit(0, der.octetString(content))]),
  certificates: der.implicit(0, der.setOf([certificate.raw])),
  crls: none,
  signerInfos: der.setOf([infoOf()]),
};

function messageOf(changes: Partial<typeof dataFields> = {}, type: string = contentTypes.signedData): Uint8Array {
  const signedData = der.sequence(Object.values({ ...dataFields, ...changes }));
  return der.sequence([der.objectIdentifier(type), der.explicit(0, signedData)]);
}

const attributeOf = (type: string, value: Uint8Array) => encodeAttribute(der.objectIdentifier(type), value);
const attributesOf = (...attributes: readonly Uint8Array[]) => der.setOf(attributes);
const typeAttribute = (type: string = eContentType) =>
  attributeOf(cmsAttributes.contentType, der.objectIdentifier(type));
const digestAttribute = (bytes = digest("sha256", content)) =>
  attributeOf(cmsAttributes.messageDigest, der.octetString(bytes));

function signedBy(...infos: readonly Uint8Array[]): Uint8Array {
  return messageOf({ signerInfos: der.setOf(infos) });
}

function verify(bytes: Uint8Array, input?: VerificationInput) {
  return verifySignedData(parseSignedData(bytes), input);
}

function refuses(code: CmsErrorCode, run: () => unknown, name: string): void {
  assert.throws(run, (error) => error instanceof CmsError && error.code === code, `${name} must be refused as ${code}`);
}

test("ok/the voucher request and the voucher of RFC 8995, whose type is id-data", () => {
  for (const [name, from] of [
    ["voucherRequest", "pledge"],
    ["voucher", "masa"],
  ] as const) {
    const verified = verify(bytesOf(vectors.rfc8995C2[name]));
    assert.equal(verified.eContentType, contentTypes.data);
    assert.match(textOf(verified.content), new RegExp(vectors.rfc8995C2.serialNumber));
    assert.deepEqual(verified.refused, []);
    const expected = parseCertificate(bytesOf(vectors.rfc8995C1[from]));
    assert.deepEqual(
      verified.signers.map((one) => hex(one.certificate.subjectPublicKeyInfo)),
      [hex(expected.subjectPublicKeyInfo)],
    );
  }
});

test("ok/what is built is verified, by each kind of key and both identifiers", async () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const one = signerOf(generateKey(kind));
    const certificate = await certificateFor(one);
    for (const sid of identifiersOf(certificate)) {
      const built = await buildSignedData({
        ...message,
        signers: [{ signer: one, sid, signingTime: 1000 }],
        certificates: [certificate.raw],
      });
      const { signers, ...verified } = verify(built);
      assert.equal(verified.eContentType, eContentType);
      assert.ok(equal(verified.content, content));
      assert.deepEqual(
        signers.map((found) => [hex(found.certificate.raw), found.signingTime]),
        [[hex(certificate.raw), 1000]],
      );
    }
  }
});

test("ok/what is built is what RFC 5652 says, octet for octet", async () => {
  const bytes = await buildSignedData({ ...message, signers: [{ signer, sid }] });
  const parsed = parseSignedData(bytes);
  const [info] = parsed.signerInfos;
  assert.ok(info?.signedAttrs);
  assert.ok(equal(bytes, signedBy(infoOf({ signature: der.octetString(info.signature) }))));
  assert.ok(equal(info.signedAttrs.signed, signedAttrs));
  assert.equal(verifySignature(certificate.publicKey, signer.algorithm, signedAttrs, info.signature), true);
  // With id-data and issuerAndSerialNumber the version is 1.
  const plain = await buildSignedData({ ...message, eContentType: contentTypes.data });
  assert.ok(Buffer.from(plain).includes(Buffer.from("020101310d300b", "hex")));
});

test("ok/detached contents, certificates from elsewhere, CRLs", async () => {
  const crl = der.sequence([der.nullValue()]);
  const bytes = await buildSignedData({ ...message, detached: true, certificates: [], crls: [crl] });
  const parsed = parseSignedData(bytes);
  assert.equal(parsed.eContent, undefined);
  assert.deepEqual([parsed.certificates, parsed.crls.map(hex)], [[], [hex(crl)]]);
  assert.equal(verifySignedData(parsed, { content, certificates: [certificate] }).signers.length, 1);
  refuses("content-missing", () => verify(bytes, { certificates: [certificate] }), "no content");
  refuses("unknown-signer", () => verify(bytes, { content }), "no certificate");
  refuses("digest-mismatch", () => verify(bytes, { content: utf8("x"), certificates: [certificate] }), "other content");
  refuses("content-twice", () => verify(messageOf(), { content }), "a content that is attached as well");
  // RFC 5940: an OCSP response among the CRLs.
  const other = messageOf({ crls: der.implicit(1, der.setOf([crl, der.implicit(1, der.sequence([]))])) });
  assert.deepEqual(parseSignedData(other).crls.map(hex), [hex(crl)]);
});

test("ok/one of several signers is enough, and the others are told", async () => {
  const second = signerOf(generateKey("Ed25519"));
  const secondCertificate = await certificateFor(second, Uint8Array.of(10));
  const both = await buildSignedData({
    ...message,
    signers: [...message.signers, { signer: second, sid: issuerAndSerialNumberOf(secondCertificate) }],
  });
  const one = verify(both);
  assert.deepEqual([one.signers.length, one.refused.map(({ code }) => code)], [1, ["unknown-signer"]]);
  assert.equal(verify(both, { certificates: [secondCertificate] }).signers.length, 2);
  const unsigned = verify(signedBy(infoOf(), infoOf({ signatureAlgorithm: sha256Identifier })));
  assert.deepEqual([unsigned.signers.length, unsigned.refused.map(({ code }) => code)], [1, ["unsupported-algorithm"]]);
});

test("ok/a certificate of the same name with another key does not hide the signer's", async () => {
  const impostor = await certificateFor(signerOf(generateKey("P-256")));
  const bytes = await buildSignedData({ ...message, certificates: [impostor.raw, certificate.raw] });
  for (const certificates of [[], [impostor], [impostor, impostor, impostor, impostor, impostor]]) {
    const [found] = verify(bytes, { certificates }).signers;
    assert.ok(equal(found?.certificate.raw ?? none, certificate.raw));
  }
  const alone = await buildSignedData({ ...message, certificates: [impostor.raw] });
  refuses("bad-signature", () => verify(alone), "the impostor alone");
  const noCertificate = await buildSignedData({ ...message, certificates: [der.sequence([]), certificate.raw] });
  assert.equal(verify(noCertificate).signers.length, 1);
});

test("ok/RSA under its different names, RSASSA-PSS among them", async () => {
  const rsaKey = generateKey("RSA-2048");
  const rsaCertificate = await certificateFor(signerOf(rsaKey));
  const rsaEncryption = [der.objectIdentifier("1.2.840.113549.1.1.1"), der.nullValue()];
  const { sha256WithRsa, pssWithSha256 } = signatureAlgorithms;
  for (const signatureAlgorithm of [
    der.sequence(rsaEncryption),
    der.sequence(rsaEncryption.slice(0, 1)),
    sha256WithRsa.identifier,
    pssWithSha256.identifier,
  ]) {
    const pss = signatureAlgorithm === pssWithSha256.identifier ? { padding: 6, saltLength: 32 } : {};
    const signature = der.octetString(sign("sha256", signedAttrs, { key: rsaKey, ...pss }));
    const bytes = signedBy(infoOf({ signatureAlgorithm, signature }));
    assert.equal(verify(bytes, { certificates: [rsaCertificate] }).signers.length, 1);
    refuses("bad-signature", () => verify(bytes), "with an ECDSA key");
  }
  const sha384 = der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.2.2")]);
  refuses(
    "unsupported-algorithm",
    () => verify(signedBy(infoOf({ digestAlgorithm: sha384, signatureAlgorithm: sha256WithRsa.identifier }))),
    "two digests",
  );
});

test("ok/BER outside of what is signed; fail/BER within", () => {
  const streamed = (tag: number, ...parts: readonly Uint8Array[]) =>
    concat([Uint8Array.of(tag, 0x80), ...parts, new Uint8Array(2)]);
  const pieces = streamed(0x24, der.octetString(content.subarray(0, 5)), der.octetString(content.subarray(5)));
  const stream = (signerInfo: Uint8Array, certificates = der.implicit(0, der.setOf([certificate.raw]))) =>
    streamed(
      0x30,
      der.objectIdentifier(contentTypes.signedData),
      streamed(
        0xa0,
        streamed(
          0x30,
          dataFields.version,
          dataFields.digestAlgorithms,
          streamed(0x30, der.objectIdentifier(eContentType), streamed(0xa0, pieces)),
          certificates,
          streamed(0x31, signerInfo),
        ),
      ),
    );
  assert.ok(equal(verify(stream(infoOf())).content, content));

  // The same attributes, once with an indefinite length and once with a long one.
  const definite = der.implicit(0, signedAttrs);
  const inner = signedAttrs.subarray(2);
  assert.equal(signedAttrs[1], signedAttrs.length - 2);
  for (const changed of [streamed(0xa0, inner), concat([Uint8Array.of(0xa0, 0x81, inner.length), inner])]) {
    const info = Buffer.from(infoOf());
    const at = info.indexOf(definite);
    const parts = [info.subarray(3, at), changed, info.subarray(at + definite.length)];
    assert.deepEqual([info[1], info[2]], [0x81, info.length - 3]);
    refuses("not-der", () => parseSignedData(stream(streamed(0x30, ...parts))), "attributes in BER");
  }
  const longer = concat([Uint8Array.of(0x30, 0x83, 0x00), certificate.raw.subarray(2)]);
  refuses("not-der", () => parseSignedData(stream(infoOf(), streamed(0xa0, longer))), "a certificate in BER");
});

test("ok/signed attributes are verified in the order received, sorted or not", () => {
  const sorted = der.setOf([typeAttribute(), digestAttribute()]);
  const unsorted = der.element(tags.set, concat([digestAttribute(), typeAttribute()]));
  assert.notEqual(hex(sorted), hex(unsorted));
  assert.equal(verify(signedBy(infoOf({ signedAttrs: unsorted }))).signers.length, 1);
  const swapped = infoOf({ signedAttrs: unsorted, signature: der.octetString(signer.sign(sorted)) });
  refuses("bad-signature", () => verify(signedBy(swapped)), "signed in another order");
});

test("fail/signatures that do not hold", () => {
  const cases: Readonly<Record<string, readonly [CmsErrorCode, Uint8Array]>> = {
    "by nobody": ["no-signer", signedBy()],
    "over the content itself": [
      "bad-attributes",
      signedBy(infoOf({ signedAttrs: none, signature: der.octetString(signer.sign(content)) })),
    ],
    "over the attributes with their tag in the message": [
      "bad-signature",
      signedBy(infoOf({ signature: der.octetString(signer.sign(der.implicit(0, signedAttrs))) })),
    ],
    "without contentType": ["bad-attributes", signedBy(infoOf({ signedAttrs: attributesOf(digestAttribute()) }))],
    "without messageDigest": ["bad-attributes", signedBy(infoOf({ signedAttrs: attributesOf(typeAttribute()) }))],
    "with a doubled attribute": [
      "bad-attributes",
      signedBy(infoOf({ signedAttrs: attributesOf(typeAttribute(), digestAttribute(), digestAttribute(none)) })),
    ],
    "with two values of one attribute": [
      "bad-attributes",
      signedBy(
        infoOf({
          signedAttrs: attributesOf(
            digestAttribute(),
            der.sequence([
              der.objectIdentifier(cmsAttributes.contentType),
              der.setOf([der.objectIdentifier(eContentType), der.objectIdentifier(contentTypes.data)]),
            ]),
          ),
        }),
      ),
    ],
    "about another type": [
      "bad-attributes",
      signedBy(infoOf({ signedAttrs: attributesOf(typeAttribute(contentTypes.data), digestAttribute()) })),
    ],
    "about a type that was exchanged": [
      "bad-attributes",
      messageOf({
        encapContentInfo: der.sequence([
          der.objectIdentifier(contentTypes.data),
          der.explicit(0, der.octetString(content)),
        ]),
      }),
    ],
    "over another content": [
      "digest-mismatch",
      signedBy(infoOf({ signedAttrs: attributesOf(typeAttribute(), digestAttribute(digest("sha256", none))) })),
    ],
    "with a digest that is cut": [
      "digest-mismatch",
      signedBy(infoOf({ signedAttrs: attributesOf(typeAttribute(), digestAttribute(none)) })),
    ],
    "with attributes that are wrong inside": [
      "malformed-cms",
      signedBy(
        infoOf({
          signedAttrs: attributesOf(typeAttribute(), attributeOf(cmsAttributes.messageDigest, der.integer(1))),
        }),
      ),
    ],
    "with SHA-1": [
      "unsupported-algorithm",
      signedBy(infoOf({ digestAlgorithm: der.sequence([der.objectIdentifier("1.3.14.3.2.26")]) })),
    ],
    "with a digest of another length than the signature's": [
      "unsupported-algorithm",
      signedBy(infoOf({ digestAlgorithm: der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.2.3")]) })),
    ],
    "Ed25519 with SHA-256": [
      "unsupported-algorithm",
      signedBy(infoOf({ signatureAlgorithm: signatureAlgorithms.ed25519.identifier })),
    ],
    "without octets": ["bad-signature", signedBy(infoOf({ signature: der.octetString(none) }))],
    "by a signer of another serial number": [
      "unknown-signer",
      signedBy(infoOf({ sid: encodeIdentifier({ ...sid, serialNumber: Uint8Array.of(8) } as typeof sid) })),
    ],
    "by a signer of another key identifier": [
      "unknown-signer",
      signedBy(infoOf({ version: der.integer(3), sid: der.implicit(0, der.octetString(Uint8Array.of(1))) })),
    ],
  };
  for (const [name, [code, bytes]] of Object.entries(cases)) refuses(code, () => verify(bytes), name);
});

test("fail/messages that are something else", () => {
  const info = infoOf();
  const cases: Readonly<Record<string, readonly [CmsErrorCode, Uint8Array]>> = {
    data: ["unexpected-content-type", messageOf({}, contentTypes.data)],
    empty: ["malformed-cms", none],
    "a certificate": ["malformed-cms", certificate.raw],
    "something behind it": ["malformed-cms", concat([messageOf(), der.nullValue()])],
    "no version": ["malformed-cms", messageOf({ version: none })],
    "version 6": ["malformed-cms", messageOf({ version: der.integer(6) })],
    "no digestAlgorithms": ["malformed-cms", messageOf({ digestAlgorithms: none })],
    "no encapContentInfo": ["malformed-cms", messageOf({ encapContentInfo: none })],
    "no signerInfos": ["malformed-cms", messageOf({ signerInfos: none })],
    "an attribute certificate": [
      "malformed-cms",
      messageOf({ certificates: der.implicit(0, der.setOf([der.implicit(1, der.sequence([]))])) }),
    ],
    "33 certificates": [
      "malformed-cms",
      messageOf({ certificates: der.implicit(0, der.setOf(Array(33).fill(certificate.raw))) }),
    ],
    "33 CRLs": ["malformed-cms", messageOf({ crls: der.implicit(1, der.setOf(Array(33).fill(der.sequence([])))) })],
    "nine signers": ["malformed-cms", signedBy(...Array(9).fill(info))],
    "33 attributes": ["malformed-cms", signedBy(infoOf({ signedAttrs: der.setOf(Array(33).fill(typeAttribute())) }))],
    "a SignerInfo of version 3 with a serial number": ["malformed-cms", signedBy(infoOf({ version: der.integer(3) }))],
    "a SignerInfo of version 1 with a key identifier": [
      "malformed-cms",
      signedBy(infoOf({ sid: der.implicit(0, der.octetString(Uint8Array.of(1))) })),
    ],
    "a SignerInfo without digestAlgorithm": ["malformed-cms", signedBy(infoOf({ digestAlgorithm: none }))],
    "a SignerInfo without signatureAlgorithm": ["malformed-cms", signedBy(infoOf({ signatureAlgorithm: none }))],
    "a SignerInfo with more": ["malformed-cms", signedBy(infoOf({ unsignedAttrs: der.nullValue() }))],
  };
  for (const [name, [code, bytes]] of Object.entries(cases)) refuses(code, () => parseSignedData(bytes), name);
  refuses("malformed-cms", () => parseSignedData(messageOf(), messageOf().length - 1), "too large");
  assert.equal(
    parseSignedData(signedBy(infoOf({ unsignedAttrs: der.implicit(1, der.setOf([])) }))).signerInfos.length,
    1,
  );
});

test("fail/what has no encoding", async () => {
  await assert.rejects(buildSignedData({ ...message, signers: [] }), { name: "CmsError", code: "unencodable" });
  await assert.rejects(buildSignedData({ ...message, eContentType: "x" }), { name: "CmsError", code: "unencodable" });
  await assert.rejects(buildSignedData({ ...message, signers: [{ signer, sid, signingTime: Number.NaN }] }), {
    name: "CmsError",
    code: "unencodable",
  });
  const unknown = { ...signer, algorithm: sha256Identifier };
  await assert.rejects(buildSignedData({ ...message, signers: [{ signer: unknown, sid }] }), {
    name: "CmsError",
    code: "unsupported-algorithm",
  });
});

test("ok/a key that has no certificate yet signs under its subjectKeyIdentifier", async () => {
  const keyIdentifier = keyIdentifierOf(signer.publicKey);
  const bySigner = { signer, sid: { kind: "subjectKeyIdentifier", keyIdentifier } } as const;
  const { publicKey } = certificate;
  const built = parseSignedData(await buildSignedData({ eContentType, content, signers: [bySigner] }));
  assert.ok(equal(verifySignedDataByKey(built, { keyIdentifier, publicKey }), content));
  const other = { keyIdentifier: Uint8Array.of(1), publicKey };
  refuses("unknown-signer", () => verifySignedDataByKey(built, other), "another identifier");
  const another = { keyIdentifier, publicKey: (await certificateFor(signerOf(generateKey("P-256")))).publicKey };
  refuses("bad-signature", () => verifySignedDataByKey(built, another), "another key");
  const two = await buildSignedData({ eContentType, content, signers: [bySigner, bySigner] });
  refuses("unknown-signer", () => verifySignedDataByKey(parseSignedData(two), { keyIdentifier, publicKey }), "twice");
  refuses(
    "no-signer",
    () => verifySignedDataByKey(parseSignedData(signedBy()), { keyIdentifier, publicKey }),
    "nobody",
  );
  const altered = { ...built, eContent: utf8("another content") };
  refuses("digest-mismatch", () => verifySignedDataByKey(altered, { keyIdentifier, publicKey }), "altered");
});

test("ok/every content is given back as it was signed", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, detached) => {
      const built = await buildSignedData({ ...message, content: bytes, detached });
      const verified = verify(built, detached ? { content: bytes } : {});
      assert.ok(equal(verified.content, bytes));
    }),
    { seed: 5652, numRuns: 60 },
  );
});

test("ok/damaged messages are answered with a CmsError, or with the content that was signed", async () => {
  let refused = 0;
  for (const mutation of mutations(5652, await buildSignedData(message), 4000)) {
    try {
      const verified = verify(mutation, { certificates: [certificate] });
      assert.ok(equal(verified.content, content));
      assert.equal(verified.eContentType, eContentType);
    } catch (error) {
      assert.ok(error instanceof CmsError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000 && refused < 4000, String(refused));
});
