import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { mutations } from "../../test/mutate.ts";
import { base64, concat, hex, utf8 } from "../core/bytes.ts";
import { seededRandomness } from "../core/randomness.ts";
import { generateKey, privateKeyToDer, privateKeyToPem, type SynchronousSigner, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { encodePem } from "../encoding/pem.ts";
import { tags } from "../encoding/tags.ts";
import { parseCertificate } from "./certificate.ts";
import { encodeCertsOnly } from "./cms.ts";
import { encryptEnvelopedData } from "./cms-enveloped-data-build.ts";
import { issuerAndSerialNumberOf } from "./cms-identifier.ts";
import { buildSignedData } from "./cms-signed-data-build.ts";
import { buildCertificateList } from "./crl-build.ts";
import { buildCertificationRequest } from "./csr.ts";
import { type Explanation, explain, hasError, trustIn } from "./explain.ts";
import type { FindingCode } from "./explain-model.ts";
import type { Extension } from "./extensions.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName, type NameAttribute } from "./name.ts";
import { encodeNameConstraints } from "./name-constraints.ts";
import { attributeTypes, contentTypes, extensionTypes, keyPurposes, otherNames } from "./oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "./standard-extensions.ts";

const at = Date.UTC(2026, 2, 1);
const day = 24 * 3_600_000;
const withoutEnd = 253_402_300_799_000;

const rootSigner = signerOf(generateKey("P-256"));
const deviceKey = generateKey("P-256");
const deviceSigner = signerOf(deviceKey);
const rootName = nameOf("Acme Root");
const deviceName = encodeName([{ type: attributeTypes.serialNumber, value: "SN-1" }]);

interface Content {
  readonly subject?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly publicKey?: Uint8Array;
  readonly signer?: SynchronousSigner;
  readonly serialNumber?: Uint8Array;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly extensions?: readonly Extension[];
}

const keyIdentifiers = (own: Uint8Array, issuers: Uint8Array) => [
  encodeSubjectKeyIdentifier(keyIdentifierOf(own)),
  encodeAuthorityKeyIdentifier(keyIdentifierOf(issuers)),
];

function certificateOf(content: Content = {}): Promise<Uint8Array> {
  const { publicKey = deviceSigner.publicKey, extensions = [encodeKeyUsage(["digitalSignature"])] } = content;
  return buildCertificate({
    serialNumber: new Uint8Array(16).fill(0x5a),
    issuer: rootName,
    subject: deviceName,
    notBefore: at - day,
    notAfter: at + 10 * day,
    signer: rootSigner,
    ...content,
    publicKey,
    extensions: [...extensions, ...keyIdentifiers(publicKey, rootSigner.publicKey)],
  });
}

const authority = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];
const root = await certificateOf({ subject: rootName, publicKey: rootSigner.publicKey, extensions: authority });
const device = await certificateOf();

function nameOf(commonName: string, ...more: readonly NameAttribute[]): Uint8Array {
  return encodeName([{ type: attributeTypes.commonName, value: commonName }, ...more]);
}

function codesOf({ findings, children }: Explanation): readonly FindingCode[] {
  return [...findings.map(({ code }) => code), ...children.flatMap(codesOf)];
}

function valuesOf({ fields }: Explanation, name: string): readonly string[] {
  return fields.find((field) => field.name === name)?.values ?? [];
}

/** Explains bytes that have to have exactly these findings. */
function finds(bytes: Uint8Array, codes: readonly FindingCode[]): Explanation {
  const explanation = explain(bytes, { at });
  assert.deepEqual(codesOf(explanation), codes);
  return explanation;
}

describe("certificates", () => {
  test("ok/a good one, in words", () => {
    const explanation = finds(device, []);
    assert.equal(explanation.summary, "This is the certificate of an end entity, valid for another 10 days.");
    assert.deepEqual(valuesOf(explanation, "subject"), ["serialNumber=SN-1"]);
    assert.deepEqual(valuesOf(explanation, "issuer"), ["CN=Acme Root"]);
    assert.deepEqual(valuesOf(explanation, "key usage"), ["sign"]);
    assert.deepEqual(valuesOf(explanation, "valid to"), ["2026-03-11 00:00:00 UTC"]);
    assert.deepEqual(valuesOf(explanation, "issuer key"), [hex(keyIdentifierOf(rootSigner.publicKey))]);
    assert.equal(hasError(explanation), false);
  });

  test("ok/a root", () => {
    const explanation = finds(root, []);
    assert.match(explanation.summary, /^This is the certificate of a CA, /);
    assert.deepEqual(valuesOf(explanation, "issuer"), ["CN=Acme Root (itself)"]);
    assert.deepEqual(valuesOf(explanation, "CA"), ["yes, with any number of CAs below it"]);
    assert.deepEqual(valuesOf(explanation, "key usage"), ["sign certificates, sign CRLs"]);
  });

  test("ok/an IDevID with everything that marks one", async () => {
    const module = der.sequence([der.objectIdentifier("1.3.6.1.4.1.1"), der.octetString(Uint8Array.of(0xab))]);
    const masa = { type: "1.3.6.1.5.5.7.1.32", critical: false, value: der.ia5String("masa.example") };
    const names = encodeSubjectAltName([{ kind: "otherName", type: otherNames.hardwareModuleName, value: module }]);
    const explanation = finds(await certificateOf({ notAfter: withoutEnd, extensions: [names, masa] }), []);
    assert.equal(explanation.summary, "This is the certificate of a device, by its maker, valid without end.");
    assert.deepEqual(valuesOf(explanation, "device"), ["serial number SN-1", "valid without end, as an IDevID is"]);
    assert.deepEqual(valuesOf(explanation, "MASA"), ["masa.example"]);
    assert.deepEqual(valuesOf(explanation, "names"), ["hardware module of type 1.3.6.1.4.1.1, serial number ab"]);
  });

  test("ok/names of every kind, and limits to them", async () => {
    const address = Uint8Array.of(10, 0, 0, 0);
    const names = encodeSubjectAltName([
      { kind: "dNSName", text: "a.example" },
      { kind: "iPAddress", address: new Uint8Array(16).fill(1, 15) },
      { kind: "uniformResourceIdentifier", text: "urn:x" },
      { kind: "registeredID", identifier: "1.2.3" },
    ]);
    assert.deepEqual(valuesOf(explain(await certificateOf({ extensions: [names] }), { at }), "names"), [
      "host a.example",
      "address ::1",
      "URI urn:x",
      "object identifier 1.2.3",
    ]);
    const limits = encodeNameConstraints({
      permittedSubtrees: [{ kind: "iPAddress", address, mask: Uint8Array.of(255, 0, 0, 0) }],
      excludedSubtrees: [{ kind: "dNSName", text: "b.example" }],
    });
    const limited = explain(await certificateOf({ extensions: [...authority, limits] }), { at });
    assert.deepEqual(valuesOf(limited, "name limits"), ["allowed: address 10.0.0.0/8", "forbidden: host b.example"]);
  });

  const wrong: readonly (readonly [string, Content, readonly FindingCode[]])[] = [
    ["expired", { notAfter: at - 1000 }, ["expired"]],
    ["not valid yet", { notBefore: at + 1 + 1000 }, ["not-yet-valid"]],
    ["a serial number that can be guessed", { serialNumber: Uint8Array.of(7) }, ["guessable-serial-number"]],
    [
      "a CA that may not issue",
      { extensions: [authority[0] as Extension, encodeKeyUsage(["cRLSign"])] },
      ["ca-without-key-cert-sign"],
    ],
    ["issues and is no CA", { extensions: [encodeKeyUsage(["keyCertSign"])] }, ["no-basic-constraints"]],
    [
      "issues and says that it is no CA",
      { extensions: [encodeBasicConstraints({ cA: false }), encodeKeyUsage(["keyCertSign"])] },
      ["key-cert-sign-without-ca"],
    ],
    [
      "a root without basicConstraints",
      { subject: rootName, publicKey: rootSigner.publicKey, extensions: [] },
      ["no-basic-constraints"],
    ],
    [
      "basicConstraints not critical",
      { extensions: authority.map((each) => ({ ...each, critical: false })) },
      ["should-be-critical"],
    ],
    ["names nobody", { subject: encodeName([]) }, ["no-name"]],
    ["a device without a number", { subject: nameOf("lamp"), notAfter: withoutEnd }, ["no-device-serial-number"]],
    [
      "names that are not critical under an empty subject",
      {
        subject: encodeName([]),
        extensions: [
          encodeKeyUsage(["digitalSignature"]),
          encodeSubjectAltName([{ kind: "dNSName", text: "a.example" }]),
        ],
      },
      ["names-not-critical"],
    ],
    [
      "a server without a host",
      { subject: nameOf("a.example"), extensions: [encodeExtKeyUsage([keyPurposes.serverAuth])] },
      ["common-name-not-in-names"],
    ],
    [
      "a server whose commonName is another host",
      {
        subject: nameOf("a.example"),
        extensions: [
          encodeExtKeyUsage([keyPurposes.serverAuth]),
          encodeSubjectAltName([{ kind: "dNSName", text: "b.example" }]),
        ],
      },
      ["common-name-not-in-names"],
    ],
    [
      "a critical extension that nobody knows",
      { extensions: [encodeKeyUsage(["digitalSignature"]), { type: "1.2.3", critical: true, value: der.nullValue() }] },
      ["unknown-critical-extension"],
    ],
    [
      "an extension that cannot be read",
      {
        extensions: [
          { type: extensionTypes.subjectAltName, critical: false, value: der.nullValue() },
          encodeKeyUsage(["digitalSignature"]),
        ],
      },
      ["malformed-extension"],
    ],
    [
      "string types of old",
      {
        subject: der.sequence([
          der.setOf([
            der.sequence([der.objectIdentifier(attributeTypes.commonName), der.element(tags.teletexString, utf8("a"))]),
          ]),
          der.setOf([der.sequence([der.objectIdentifier(attributeTypes.countryName), der.utf8String("DE")])]),
        ]),
      },
      ["string-type", "string-type"],
    ],
    [
      "a root that another key signed",
      { subject: rootName, publicKey: rootSigner.publicKey, extensions: authority, signer: deviceSigner },
      ["bad-signature"],
    ],
    ["a weak key", { publicKey: weakKey() }, ["weak-key"]],
  ];
  for (const [name, content, codes] of wrong)
    test(`fail/${name}`, async () => void finds(await certificateOf(content), codes));

  test("fail/an extension that occurs twice", async () => {
    const usage = encodeKeyUsage(["digitalSignature"]);
    const good = await certificateOf({ extensions: [usage, { ...usage, type: "2.5.29.99" }] });
    const twice = Buffer.from(good);
    twice[twice.indexOf(der.objectIdentifier("2.5.29.99")) + 4] = 15;
    assert.ok(codesOf(explain(twice, { at })).includes("duplicate-extension"));
  });
});

describe("what is no DER", () => {
  test("fail/octets behind the end are pointed at, and the rest is read", () => {
    const explanation = finds(concat([device, utf8("xyz")]), ["trailing-bytes"]);
    assert.equal(explanation.findings[0]?.offset, device.length);
    assert.deepEqual(valuesOf(explanation, "subject"), ["serialNumber=SN-1"]);
  });

  test("fail/BER is pointed at, and the rest is read", () => {
    const ber = concat([Uint8Array.of(0x30, 0x80), device.subarray(4), Uint8Array.of(0, 0)]);
    const explanation = finds(ber, ["not-der"]);
    assert.equal(explanation.findings[0]?.offset, 0);
    assert.deepEqual(valuesOf(explanation, "subject"), ["serialNumber=SN-1"]);
  });

  test("fail/what is cut off still says whose it was", () => {
    const explanation = finds(device.subarray(0, 220), ["truncated"]);
    assert.equal(explanation.kind, "certificate");
    assert.deepEqual(valuesOf(explanation, "issuer"), ["CN=Acme Root"]);
  });

  test("fail/a negative serial number", () => {
    const negative = Buffer.from(device);
    negative[negative.indexOf(new Uint8Array(16).fill(0x5a))] = 0xda;
    assert.deepEqual(valuesOf(finds(negative, ["serial-number"]), "subject"), ["serialNumber=SN-1"]);
  });

  test("fail/another element than expected is named with its place", async () => {
    const bytes = Buffer.from(device);
    const validity = bytes.indexOf(utf8("260228000000Z")) - 4;
    bytes[validity] = tags.set;
    const [finding] = finds(bytes, ["malformed"]).findings;
    assert.equal(finding?.offset, validity);
    assert.equal(finding?.text, "Here validity is expected, SEQUENCE; found is SET.");
  });
});

describe("requests", async () => {
  const request = await buildCertificationRequest({
    subject: deviceName,
    signer: deviceSigner,
    challengePassword: "Tr0ub4dor",
    extensions: [encodeKeyUsage(["digitalSignature"])],
  });

  test("ok/a good one, without its password", () => {
    const explanation = finds(request, []);
    assert.equal(explanation.summary, "This is a certification request, signed by the key in it.");
    assert.deepEqual(valuesOf(explanation, "challenge"), ["a challengePassword, not shown here"]);
    assert.deepEqual(valuesOf(explanation, "key usage"), ["sign"]);
    assert.ok(!JSON.stringify(explanation).includes("Tr0ub4dor"));
  });

  test("fail/signed by another key", async () => {
    const forged = { ...rootSigner, publicKey: deviceSigner.publicKey };
    finds(await buildCertificationRequest({ subject: deviceName, signer: forged }), ["bad-signature"]);
  });

  test("fail/past repair, with what stands where it should", () => {
    const explanation = finds(request.subarray(0, request.length - 10), ["truncated"]);
    assert.equal(explanation.kind, "certification-request");
    assert.deepEqual(valuesOf(explanation, "subject"), ["serialNumber=SN-1"]);
  });
});

describe("CRLs", async () => {
  const listOf = (nextUpdate: number, extra: readonly Uint8Array[] = []) =>
    buildCertificateList({
      issuer: rootName,
      authorityKeyIdentifier: keyIdentifierOf(rootSigner.publicKey),
      thisUpdate: at - day,
      nextUpdate,
      cRLNumber: Uint8Array.of(1, 0),
      revokedCertificates: [
        Uint8Array.of(1),
        ...extra,
        ...Array.from({ length: 6 }, (_, i) => Uint8Array.of(2, i)),
      ].map((serialNumber) => ({ serialNumber, revocationDate: at - 2 * day, reason: "keyCompromise" as const })),
      signer: rootSigner,
    });

  test("ok/number, dates and the first entries", async () => {
    const explanation = finds(await listOf(at + day), []);
    assert.equal(explanation.summary, "This is a CRL of 7 revoked certificates, current for another 1 day.");
    assert.deepEqual(valuesOf(explanation, "number"), ["256"]);
    const entries = valuesOf(explanation, "entries");
    assert.equal(entries[0], "01 on 2026-02-27 00:00:00 UTC, keyCompromise");
    assert.equal(entries[5], "and 2 more");
  });

  test("fail/out of date", async () => {
    const explanation = finds(await listOf(at - 1000), ["expired"]);
    assert.match(explanation.summary, /out of date for 1 second\.$/);
  });

  test("ok/a path that no CRL forbids, fail/one that a CRL forbids", async () => {
    const trust = { ...trustIn(root), lists: trustIn(await listOf(at + day)).lists };
    assert.deepEqual(valuesOf(explain(device, { at, trust }), "path").slice(0, 1), [
      "good as idevid, not revoked by the CRLs",
    ]);
    const revoking = trustIn(await listOf(at + day, [new Uint8Array(16).fill(0x5a)]));
    const explanation = explain(device, { at, trust: { ...trust, lists: revoking.lists } });
    assert.deepEqual(codesOf(explanation), ["revoked"]);
    assert.match(explanation.findings[0]?.text ?? "", /^The certificate of serialNumber=SN-1 has been revoked/);
    assert.deepEqual(valuesOf(explanation, "path"), ["not good as idevid: revoked"]);
    const old = trustIn(await listOf(at - 1000));
    assert.deepEqual(codesOf(explain(device, { at, trust: { ...trust, lists: old.lists } })), ["crl-expired"]);
  });

  test("ok/a list of the issuing CA and none of the root, fail/a list of neither", async () => {
    const issuingSigner = signerOf(generateKey("P-256"));
    const issuing = await certificateOf({
      subject: nameOf("Acme Issuing"),
      publicKey: issuingSigner.publicKey,
      extensions: authority,
    });
    const leaf = await certificateOf({ issuer: nameOf("Acme Issuing"), signer: issuingSigner });
    const chain = Buffer.concat([leaf, issuing].map((der) => Buffer.from(encodePem("CERTIFICATE", der))));
    const listBy = async (name: string, signer: SynchronousSigner, revoked: readonly Uint8Array[] = []) =>
      trustIn(
        await buildCertificateList({
          issuer: nameOf(name),
          authorityKeyIdentifier: keyIdentifierOf(signer.publicKey),
          thisUpdate: at - day,
          nextUpdate: at + day,
          cRLNumber: Uint8Array.of(1),
          revokedCertificates: revoked.map((serialNumber) => ({ serialNumber, revocationDate: at - day })),
          signer,
        }),
      ).lists;
    const explained = (lists: Awaited<ReturnType<typeof listBy>>) =>
      explain(chain, { at, trust: { ...trustIn(root), lists } });
    const good = explained(await listBy("Acme Issuing", issuingSigner));
    assert.equal(hasError(good), false);
    assert.deepEqual(valuesOf(good, "path"), [
      "good as idevid, not revoked by the CRLs",
      "serialNumber=SN-1",
      "CN=Acme Issuing",
      "CN=Acme Root",
      "not looked at: no list of CN=Acme Root",
    ]);
    const serialNumber = new Uint8Array(16).fill(0x5a);
    assert.ok(codesOf(explained(await listBy("Acme Issuing", issuingSigner, [serialNumber]))).includes("revoked"));
    assert.ok(codesOf(explained(await listBy("Acme Issuing", rootSigner))).includes("revocation-unknown"));
    const stranger = explained(await listBy("Stranger", signerOf(generateKey("P-256"))));
    assert.ok(codesOf(stranger).includes("revocation-unknown"));
    assert.deepEqual(valuesOf(stranger, "path").slice(-2), [
      "not looked at: no list of CN=Acme Issuing",
      "not looked at: no list of CN=Acme Root",
    ]);
  });
});

describe("CMS", async () => {
  const signer = { signer: deviceSigner, sid: issuerAndSerialNumberOf(parseCertificate(device)), signingTime: at };
  const signed = (certificates: readonly Uint8Array[], more: { readonly detached?: boolean } = {}) =>
    buildSignedData({
      eContentType: contentTypes.animaJsonVoucher,
      content: utf8("{}"),
      signers: [signer],
      certificates,
      ...more,
    });

  test("ok/a signature that a certificate in the message verifies", async () => {
    const explanation = finds(await signed([device, root]), []);
    assert.equal(explanation.kind, "signed-data");
    assert.deepEqual(valuesOf(explanation, "content"), ["a voucher (RFC 8366), 2 octets"]);
    assert.deepEqual(valuesOf(explanation, "signer"), [
      `serial number ${"5a".repeat(16)} of CN=Acme Root`,
      "with ecdsa-with-SHA256, digest sha256",
      "signed attributes: contentType, signingTime, messageDigest",
      "signed on 2026-03-01 00:00:00 UTC by its own clock",
      "verified with the certificate of serialNumber=SN-1",
    ]);
    assert.equal(explanation.children.length, 2);
  });

  test("fail/changed, without its certificate, without its content", async () => {
    const changed = Buffer.from(await signed([device]));
    changed[changed.indexOf("{}")] = 0x5b;
    finds(changed, ["bad-signature"]);
    finds(await signed([]), ["no-signer-certificate"]);
    finds(await signed([device], { detached: true }), ["no-signer-certificate"]);
  });

  test("ok/certs-only, and who issued whom", () => {
    const explanation = finds(encodeCertsOnly([device, root]), []);
    assert.equal(explanation.kind, "certs-only");
    // A SET OF is sorted, so either may come first.
    const first = valuesOf(explanation.children[0] as Explanation, "subject")[0];
    const chain =
      first === "CN=Acme Root" ? ["1 is its own issuer", "1 issued 2"] : ["2 issued 1", "2 is its own issuer"];
    assert.deepEqual(valuesOf(explanation, "chain"), chain);
  });

  test("ok/for whom it is encrypted, and what does not notice changes", () => {
    const recipient = {
      kind: "keyAgreement",
      rid: issuerAndSerialNumberOf(parseCertificate(device)),
      publicKey: parseCertificate(device).publicKey,
      keyWrap: "aes128-wrap",
    } as const;
    const message = (contentEncryption: "aes128-GCM" | "aes256-CBC") =>
      encryptEnvelopedData(
        { contentType: contentTypes.data, content: utf8("secret"), contentEncryption, recipients: [recipient] },
        seededRandomness("explain"),
      );
    const explanation = finds(message("aes128-GCM"), []);
    assert.deepEqual(valuesOf(explanation, "encryption"), ["aes128-GCM, with a tag of 16 octets"]);
    assert.equal(valuesOf(explanation, "recipient")[1], "by ECDH with sha256 and AES-128 key wrap");
    finds(message("aes256-CBC"), ["not-authenticated"]);
  });
});

describe("files", () => {
  const pem = (...certificates: readonly Uint8Array[]) =>
    certificates.map((each) => encodePem("CERTIFICATE", each)).join("and\n");

  test("ok/PEM with text around, CR LF, and base64 without armour say the same as DER", () => {
    const expected = explain(device, { at });
    assert.deepEqual(explain(utf8(`Bag\r\n${pem(device).replaceAll("\n", "\r\n")}end`), { at }), expected);
    assert.deepEqual(explain(utf8(base64(device).replace(/.{40}/g, "$&\n")), { at }), expected);
  });

  test("ok/blocks, their chain, and the certificate that a key belongs to", () => {
    const file = utf8(`${pem(device, root)}${privateKeyToPem(deviceKey)}`);
    const explanation = finds(file, ["private-key"]);
    assert.equal(explanation.summary, "This file holds 3 blocks.");
    assert.deepEqual(valuesOf(explanation, "chain"), ["2 issued 1", "2 is its own issuer"]);
    assert.deepEqual(valuesOf(explanation, "keys"), ["the private key in block 3 belongs to certificate 1"]);
  });

  test("ok/a path to an anchor, fail/none", () => {
    const good = explain(device, { at, trust: trustIn(root) });
    assert.deepEqual(valuesOf(good, "path"), [
      "good as idevid, not looked for in a CRL",
      "serialNumber=SN-1",
      "CN=Acme Root",
    ]);
    assert.deepEqual(codesOf(explain(device, { at, trust: trustIn(device) })), []);
    const other = { ...trustIn(root), anchors: [parseCertificate(device)] };
    assert.deepEqual(codesOf(explain(root, { at, trust: other })), ["no-path"]);
  });

  test("fail/a signature that is not by the issuer that it names", async () => {
    const forged = await certificateOf({ signer: deviceSigner });
    assert.deepEqual(codesOf(explain(utf8(pem(forged, root)), { at })), ["bad-signature"]);
  });

  test("ok/a private key in each form shows its public half and nothing more", () => {
    for (const form of ["pkcs8", "sec1"] as const) {
      const bytes = deviceKey.export({ format: "der", type: form });
      const text = JSON.stringify(finds(bytes, ["private-key"]));
      assert.match(text, /keep it secret/);
      const { d = "" } = deviceKey.export({ format: "jwk" });
      const secret = Buffer.from(d, "base64url");
      for (const encoding of ["hex", "base64", "base64url"] as const)
        assert.ok(!text.includes(secret.toString(encoding)));
    }
  });

  test("ok/a key under a passphrase, in both formats", () => {
    const encrypted = deviceKey.export({ format: "der", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" });
    assert.equal(finds(encrypted, []).kind, "private-key");
    const old = deviceKey.export({ format: "pem", type: "sec1", cipher: "aes-256-cbc", passphrase: "x" });
    assert.equal(finds(utf8(old.toString()), []).kind, "private-key");
  });

  test("ok/a public key", () => assert.equal(finds(deviceSigner.publicKey, []).kind, "public-key"));

  const others: readonly (readonly [string, Uint8Array, RegExp])[] = [
    [
      "OpenSSH",
      utf8("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
      /OpenSSH: keep it secret/,
    ],
    ["an SSH key", utf8("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me"), /SSH key/],
    ["PGP", utf8("-----BEGIN PGP MESSAGE-----\n\nAAAA\n-----END PGP MESSAGE-----\n"), /PGP/],
    ["PKCS #12", der.sequence([der.integer(3), der.sequence([der.objectIdentifier(contentTypes.data)])]), /PKCS #12/],
    ["an OCSP response", der.sequence([der.element(0x0a, Uint8Array.of(6))]), /OCSP response/],
    [
      "another CMS type",
      der.sequence([der.objectIdentifier("1.2.840.113549.1.7.5"), der.explicit(0, der.nullValue())]),
      /CMS message of a type/,
    ],
    ["other ASN.1", der.sequence([der.nullValue()]), /not known here/],
  ];
  for (const [name, bytes, summary] of others)
    test(`fail/${name} is told and not read`, () => assert.match(finds(bytes, ["not-read"]).summary, summary));

  test("fail/nothing, and something else", () => {
    finds(new Uint8Array(), ["nothing-found"]);
    finds(utf8("Dear Sir or Madam"), ["nothing-found"]);
  });

  test("fail/a block without its end does not hide the next", () => {
    const broken = `-----BEGIN CERTIFICATE-----\nMAA=\n${pem(device)}`;
    const explanation = finds(utf8(broken), ["damaged-block"]);
    assert.equal(explanation.children[1]?.kind, "certificate");
  });
});

test("ok/no text of a stranger reaches a terminal with its controls", async () => {
  const evil = "\u001b[2J\u202egnp.exe\u0000";
  const subject = nameOf(evil);
  const names = encodeSubjectAltName([{ kind: "dNSName", text: "\u001b]0;x\u0007" }]);
  const files = [
    await certificateOf({ subject, extensions: [names] }),
    utf8(`-----BEGIN ${evil}-----\nMAA=\n-----END ${evil}-----\n`),
  ];
  for (const file of files) assert.doesNotMatch(stringsOf(explain(file, { at })).join(""), /[\p{Cc}\p{Cf}]/u);
});

test("ok/any damage is explained", async () => {
  const samples = [
    device,
    await buildCertificationRequest({ subject: deviceName, signer: deviceSigner }),
    encodeCertsOnly([root]),
    privateKeyToDer(deviceKey),
    utf8(encodePem("CERTIFICATE", device)),
  ];
  const trust = trustIn(root);
  for (const [seed, sample] of samples.entries())
    for (const mutation of mutations(seed, sample, 500)) {
      const explanation = explain(mutation, { at, trust });
      assert.ok(explanation.summary.startsWith("This "), explanation.summary);
    }
});

function stringsOf(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

/** RSA of 1024 bits. */
function weakKey(): Uint8Array {
  const modulus = new Uint8Array(128).fill(0xc5);
  const key = der.sequence([der.unsignedInteger(modulus), der.integer(65_537)]);
  return der.sequence([
    der.sequence([der.objectIdentifier("1.2.840.113549.1.1.1"), der.nullValue()]),
    der.bitString(key),
  ]);
}
