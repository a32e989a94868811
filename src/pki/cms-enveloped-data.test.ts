import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { concat, equal, utf8 } from "../core/bytes.ts";
import { seededRandomness } from "../core/randomness.ts";
import { type ContentEncryptionName, contentEncryptions, encryptContent } from "../crypto/content-encryption.ts";
import { encryptKey } from "../crypto/key-transport.ts";
import { wrapKey } from "../crypto/key-wrap.ts";
import { generateKey, type PrivateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed } from "../encoding/tags.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { encodeContentEncryption } from "./cms-content-encryption.ts";
import { type DecryptionKey, decryptEnvelopedData, parseEnvelopedData } from "./cms-enveloped-data.ts";
import { type EnvelopedDataContent, encryptEnvelopedData, type Recipient } from "./cms-enveloped-data-build.ts";
import { CmsError, type CmsErrorCode } from "./cms-errors.ts";
import { encodeIdentifier, identifiersOf, issuerAndSerialNumberOf } from "./cms-identifier.ts";
import { keyAgreementIdentifier, keyTransportIdentifier, keyWrapIdentifier } from "./cms-key-encryption.ts";
import { encodeAttribute } from "./cms-signer-info.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName } from "./name.ts";
import { attributeTypes, cmsAttributes, contentTypes } from "./oids.ts";
import { encodeSubjectKeyIdentifier, keyIdentifierOf } from "./standard-extensions.ts";

const none: Uint8Array = new Uint8Array();
const content = utf8("a private key, say");
const ciphers = Object.keys(contentEncryptions) as readonly ContentEncryptionName[];
const keyPackage = "2.16.840.1.101.2.1.2.78.5";

async function certificateFor(kind: "P-256" | "P-384" | "RSA-2048" | "Ed25519") {
  const key = generateKey(kind);
  const signer = signerOf(key);
  const name = encodeName([{ type: attributeTypes.commonName, value: kind }]);
  const bytes = await buildCertificate({
    serialNumber: Uint8Array.of(5),
    issuer: name,
    subject: name,
    publicKey: signer.publicKey,
    notBefore: 0,
    notAfter: 253_402_300_799_000,
    extensions: [encodeSubjectKeyIdentifier(keyIdentifierOf(signer.publicKey))],
    signer,
  });
  return { key, certificate: parseCertificate(bytes) };
}

const elliptic = await certificateFor("P-256");
const elliptic384 = await certificateFor("P-384");
const rsa = await certificateFor("RSA-2048");
const keyIdentifier = utf8("device 7");

function opener({ key, certificate }: { readonly key: PrivateKey; readonly certificate: Certificate }): DecryptionKey {
  return { kind: "privateKey", privateKey: key, identifiers: identifiersOf(certificate) };
}

function symmetric(length: number): DecryptionKey & Recipient {
  return { kind: "keyEncryptionKey", keyIdentifier, key: new Uint8Array(length).fill(3) };
}

function keyAgreement({ certificate }: { readonly certificate: Certificate }): Recipient {
  const { publicKey } = certificate;
  return { kind: "keyAgreement", publicKey, rid: issuerAndSerialNumberOf(certificate), keyWrap: "aes128-wrap" };
}

/** Every way in which a key can be encrypted, with the key that opens it. */
const ways: readonly (readonly [Recipient, DecryptionKey])[] = [
  ...[elliptic, elliptic384].flatMap((one) =>
    identifiersOf(one.certificate).flatMap((rid) =>
      (["aes128-wrap", "aes192-wrap", "aes256-wrap"] as const).map(
        (keyWrap) => [{ ...keyAgreement(one), rid, keyWrap } as Recipient, opener(one)] as const,
      ),
    ),
  ),
  ...identifiersOf(rsa.certificate).flatMap((rid) =>
    (
      [
        { kind: "RSAES-PKCS1-v1_5" },
        { kind: "RSAES-OAEP", hash: "sha1" },
        { kind: "RSAES-OAEP", hash: "sha256" },
      ] as const
    ).map(
      (scheme) =>
        [{ kind: "keyTransport", rid, publicKey: rsa.certificate.publicKey, scheme } as const, opener(rsa)] as const,
    ),
  ),
  ...[16, 24, 32].map((length) => [symmetric(length), symmetric(length)] as const),
];

function messageFor(recipients: readonly Recipient[], changes: Partial<EnvelopedDataContent> = {}): Uint8Array {
  const contentEncryption = "aes256-GCM";
  return encryptEnvelopedData(
    { contentType: contentTypes.data, content, contentEncryption, recipients, ...changes },
    seededRandomness("encrypt"),
  );
}

function decrypt(bytes: Uint8Array, key: DecryptionKey) {
  return decryptEnvelopedData(parseEnvelopedData(bytes), key, seededRandomness("decrypt"));
}

function refuses(code: CmsErrorCode, run: () => unknown, name: string): void {
  assert.throws(run, (error) => error instanceof CmsError && error.code === code, `${name} must be refused as ${code}`);
}

const contentKey = new Uint8Array(16).fill(4);
const nonce = new Uint8Array(16).fill(5);
const { ciphertext } = encryptContent("aes128-CBC", contentKey, nonce, content, none);
const keyWrap = keyWrapIdentifier("aes128-wrap");

const kekFields = {
  version: der.integer(4),
  kekid: der.sequence([der.octetString(keyIdentifier)]),
  keyEncryptionAlgorithm: keyWrap,
  encryptedKey: der.octetString(wrapKey(new Uint8Array(16).fill(3), contentKey)),
};
const kekInfo = (changes: Partial<typeof kekFields> = {}) =>
  der.implicit(2, der.sequence(Object.values({ ...kekFields, ...changes })));

const transportFields = {
  version: der.integer(0),
  rid: encodeIdentifier(issuerAndSerialNumberOf(rsa.certificate)),
  keyEncryptionAlgorithm: keyTransportIdentifier({ kind: "RSAES-PKCS1-v1_5" }),
  encryptedKey: der.octetString(encryptKey(rsa.certificate.publicKey, { kind: "RSAES-PKCS1-v1_5" }, contentKey)),
};
const transportInfo = (changes: Partial<typeof transportFields> = {}) =>
  der.sequence(Object.values({ ...transportFields, ...changes }));

const agreementFields = {
  version: der.integer(3),
  originator: der.explicit(
    0,
    der.implicit(
      1,
      der.sequence([der.sequence([der.objectIdentifier("1.2.840.10045.2.1")]), der.bitString(new Uint8Array(65))]),
    ),
  ),
  ukm: none,
  keyEncryptionAlgorithm: keyAgreementIdentifier(keyWrap),
  recipientEncryptedKeys: der.sequence([
    der.sequence([
      encodeIdentifier(issuerAndSerialNumberOf(elliptic.certificate)),
      der.octetString(new Uint8Array(24)),
    ]),
  ]),
};
const agreementInfo = (changes: Partial<typeof agreementFields> = {}) =>
  der.implicit(1, der.sequence(Object.values({ ...agreementFields, ...changes })));

const encryptedFields = {
  contentType: der.objectIdentifier(contentTypes.data),
  contentEncryptionAlgorithm: encodeContentEncryption("aes128-CBC", nonce),
  encryptedContent: der.implicit(0, der.octetString(ciphertext)),
};
const encryptedInfo = (changes: Partial<typeof encryptedFields> = {}) =>
  der.sequence(Object.values({ ...encryptedFields, ...changes }));

const dataFields = {
  version: der.integer(2),
  originatorInfo: none,
  recipientInfos: der.setOf([kekInfo()]),
  encryptedContentInfo: encryptedInfo(),
  rest: none,
};

function messageOf(changes: Partial<typeof dataFields> = {}, type: string = contentTypes.envelopedData): Uint8Array {
  return der.sequence([
    der.objectIdentifier(type),
    der.explicit(0, der.sequence(Object.values({ ...dataFields, ...changes }))),
  ]);
}

test("ok/what is encrypted is decrypted, in every way and with every cipher", () => {
  for (const [recipient, key] of ways)
    for (const contentEncryption of ciphers)
      for (const contentType of [contentTypes.data, keyPackage]) {
        const decrypted = decrypt(messageFor([recipient], { contentEncryption, contentType }), key);
        assert.ok(equal(decrypted.content, content));
        assert.equal(decrypted.contentType, contentType);
        assert.equal(decrypted.authenticated, contentEncryption.endsWith("GCM"));
      }
});

test("ok/each of many recipients", () => {
  const message = messageFor([keyAgreement(elliptic384), ...ways.map(([recipient]) => recipient).slice(0, 12)]);
  for (const [, key] of ways.slice(0, 12)) assert.ok(equal(decrypt(message, key).content, content));
  refuses("not-a-recipient", () => decrypt(message, symmetric(16)), "a key-encryption key");
});

test("ok/contents of every length", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom(...ciphers), (bytes, contentEncryption) => {
      const message = messageFor([symmetric(16)], { content: bytes, contentEncryption });
      assert.ok(equal(decrypt(message, symmetric(16)).content, bytes));
    }),
    { seed: 5652, numRuns: 100 },
  );
});

test("ok/forms that other writers use", () => {
  const dated = der.sequence([
    der.octetString(keyIdentifier),
    der.element(0x18, utf8("20260101000000Z")),
    der.sequence([der.objectIdentifier("1.2.3")]),
  ]);
  const withNull = der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.1.5"), der.nullValue()]);
  const forms = [
    messageOf(),
    messageOf({ version: der.integer(0) }),
    messageOf({ originatorInfo: der.implicit(0, der.sequence([])) }),
    messageOf({ rest: der.implicit(1, der.setOf([])) }),
    messageOf({ recipientInfos: der.setOf([kekInfo({ kekid: dated })]) }),
    messageOf({ recipientInfos: der.setOf([kekInfo({ keyEncryptionAlgorithm: withNull })]) }),
    messageOf({
      recipientInfos: der.setOf([der.implicit(3, der.sequence([])), der.implicit(4, der.sequence([])), kekInfo()]),
    }),
  ];
  for (const form of forms) assert.ok(equal(decrypt(form, symmetric(16)).content, content));
});

test("ok/BER with a content in pieces; fail/authenticated attributes in BER", () => {
  const streamed = (tag: number, ...parts: readonly Uint8Array[]) =>
    concat([Uint8Array.of(tag, 0x80), ...parts, new Uint8Array(2)]);
  const pieces = streamed(0xa0, der.octetString(ciphertext.subarray(0, 7)), der.octetString(ciphertext.subarray(7)));
  const message = streamed(
    0x30,
    der.objectIdentifier(contentTypes.envelopedData),
    streamed(
      0xa0,
      streamed(
        0x30,
        dataFields.version,
        dataFields.recipientInfos,
        streamed(0x30, encryptedFields.contentType, encryptedFields.contentEncryptionAlgorithm, pieces),
      ),
    ),
  );
  assert.ok(equal(decrypt(message, symmetric(16)).content, content));

  const type = encodeAttribute(der.objectIdentifier(cmsAttributes.contentType), der.objectIdentifier(keyPackage));
  const authenticated = messageOf(
    {
      version: der.integer(0),
      encryptedContentInfo: encryptedInfo({ contentType: der.objectIdentifier(keyPackage) }),
      rest: concat([streamed(contextConstructed(1), type), der.octetString(new Uint8Array(16))]),
    },
    contentTypes.authEnvelopedData,
  );
  refuses("not-der", () => parseEnvelopedData(authenticated), "attributes in BER");
});

test("fail/keys that are not a recipient's, and wrong keys that pretend to be", async () => {
  const other = await certificateFor("P-256");
  const otherRsa = await certificateFor("RSA-2048");
  const message = messageFor([...ways[0]!.slice(0, 1), ways[13]![0], symmetric(16)] as Recipient[]);
  const identifiers = (one: typeof elliptic) => identifiersOf(one.certificate);
  const wrong: readonly (readonly [CmsErrorCode, DecryptionKey])[] = [
    ["not-a-recipient", { kind: "privateKey", privateKey: elliptic.key, identifiers: [] }],
    ["not-a-recipient", { kind: "privateKey", privateKey: rsa.key, identifiers: identifiers(elliptic) }],
    ["not-a-recipient", { ...symmetric(16), keyIdentifier: none } as DecryptionKey],
    ["unsupported-algorithm", symmetric(32)],
    ["unsupported-key", { kind: "privateKey", privateKey: generateKey("Ed25519"), identifiers: identifiers(elliptic) }],
    ["decryption-failed", { kind: "privateKey", privateKey: other.key, identifiers: identifiers(elliptic) }],
    ["decryption-failed", { kind: "privateKey", privateKey: elliptic384.key, identifiers: identifiers(elliptic) }],
    ["decryption-failed", { kind: "privateKey", privateKey: otherRsa.key, identifiers: identifiers(rsa) }],
    ["decryption-failed", { ...symmetric(16), key: new Uint8Array(16) } as DecryptionKey],
  ];
  for (const [i, [code, key]] of wrong.entries()) refuses(code, () => decrypt(message, key), `case ${i}`);
});

test("fail/all failures to decrypt look the same, whatever the reason", () => {
  const messages = new Set<string>();
  for (const [recipient, key] of ways)
    for (const contentEncryption of ["aes128-CBC", "aes256-GCM"] as const) {
      const data = parseEnvelopedData(messageFor([recipient], { contentEncryption }));
      const [info] = data.recipientInfos;
      assert.ok(info);
      const cut = data.encryptedContent.subarray(1);
      const encryptedKey = Uint8Array.from(info.encryptedKey);
      encryptedKey[9] = (encryptedKey[9] ?? 0) ^ 1;
      for (const changed of [
        { ...data, encryptedContent: cut },
        { ...data, recipientInfos: [{ ...info, encryptedKey }], encryptedContent: cut },
        { ...data, recipientInfos: [{ ...info, encryptedKey: none }] },
      ]) {
        assert.throws(
          () => decryptEnvelopedData(changed, key, seededRandomness("decrypt")),
          (error) => {
            assert.ok(error instanceof CmsError && error.code === "decryption-failed");
            messages.add(JSON.stringify([error.message, error.details, error.cause]));
            return true;
          },
        );
      }
    }
  assert.equal(messages.size, 1);
});

test("ok/PKCS #1 v1.5 with wrong padding is as any other wrong key", () => {
  // With the padding of CBC wrong either way, and right either way, there is one answer for each.
  const { publicKey } = rsa.certificate;
  const scheme = { kind: "RSAES-PKCS1-v1_5" } as const;
  const encryptedKeys = {
    "wrong padding": new Uint8Array(256).fill(1, 1),
    "another key": encryptKey(publicKey, scheme, new Uint8Array(16).fill(9)),
    "a key of another length": encryptKey(publicKey, scheme, new Uint8Array(24).fill(9)),
  };
  for (const [name, encryptedKey] of Object.entries(encryptedKeys)) {
    let succeeded = 0;
    for (let i = 0; i < 1024; i += 1) {
      const encryptedContent = encryptContent("aes128-CBC", contentKey, nonce, Uint8Array.of(i & 0xff, i >> 8), none);
      const info = transportInfo({ encryptedKey: der.octetString(encryptedKey) });
      const message = messageOf({
        recipientInfos: der.setOf([info]),
        encryptedContentInfo: encryptedInfo({
          encryptedContent: der.implicit(0, der.octetString(encryptedContent.ciphertext)),
        }),
      });
      try {
        decrypt(message, opener(rsa));
        succeeded += 1;
      } catch (error) {
        assert.ok(error instanceof CmsError && error.code === "decryption-failed");
      }
    }
    // A padding comes out right for one key in 256. What a wrong padding of RSA gives depends on the new key of this run.
    assert.ok(succeeded < 40, `${name}: ${succeeded}`);
    assert.ok(succeeded > 0 || name === "wrong padding", `${name}: ${succeeded}`);
  }
});

test("fail/algorithms that are not supported, or do not go together", () => {
  const oid = (dotted: string) => der.sequence([der.objectIdentifier(dotted)]);
  const withContent = (contentEncryptionAlgorithm: Uint8Array) =>
    messageOf({ encryptedContentInfo: encryptedInfo({ contentEncryptionAlgorithm }) });
  const withWrap = (keyEncryptionAlgorithm: Uint8Array) =>
    messageOf({ recipientInfos: der.setOf([kekInfo({ keyEncryptionAlgorithm })]) });
  const withTransport = (keyEncryptionAlgorithm: Uint8Array) =>
    messageOf({ recipientInfos: der.setOf([transportInfo({ keyEncryptionAlgorithm })]) });
  const withAgreement = (changes: Partial<typeof agreementFields>) =>
    messageOf({ recipientInfos: der.setOf([agreementInfo(changes)]) });
  const gcm = (tagLength: number) =>
    der.sequence([
      der.objectIdentifier("2.16.840.1.101.3.4.1.6"),
      der.sequence([der.octetString(new Uint8Array(12)), der.integer(tagLength)]),
    ]);
  const sha256 = oid("2.16.840.1.101.3.4.2.1");
  const oaep = (...fields: readonly Uint8Array[]) =>
    der.sequence([der.objectIdentifier("1.2.840.113549.1.1.7"), der.sequence(fields)]);
  const mask = (hash: Uint8Array, generator = "1.2.840.113549.1.1.8") =>
    der.explicit(1, der.sequence([der.objectIdentifier(generator), hash]));
  const label = der.explicit(
    2,
    der.sequence([der.objectIdentifier("1.2.840.113549.1.1.9"), der.octetString(utf8("label"))]),
  );
  const authenticated = (algorithm: Uint8Array, mac: Uint8Array) =>
    messageOf(
      {
        version: der.integer(0),
        encryptedContentInfo: encryptedInfo({ contentEncryptionAlgorithm: algorithm }),
        rest: der.octetString(mac),
      },
      contentTypes.authEnvelopedData,
    );
  const key = symmetric(16);
  const cases: Readonly<Record<string, readonly [CmsErrorCode, Uint8Array, DecryptionKey]>> = {
    "triple DES": ["unsupported-algorithm", withContent(oid("1.2.840.113549.3.7")), key],
    "CBC without an IV": ["malformed-cms", withContent(oid("2.16.840.1.101.3.4.1.2")), key],
    "CBC with a short IV": ["unsupported-algorithm", withContent(encodeContentEncryption("aes128-CBC", none)), key],
    "GCM without authentication": ["unsupported-algorithm", withContent(gcm(16)), key],
    "CBC with a tag": ["unsupported-algorithm", authenticated(encodeContentEncryption("aes128-CBC", nonce), none), key],
    "GCM with a tag of 8 octets": ["unsupported-algorithm", authenticated(gcm(8), new Uint8Array(8)), key],
    "GCM with a tag of 17 octets": ["malformed-cms", authenticated(gcm(17), new Uint8Array(17)), key],
    "GCM with a tag of another length": ["unsupported-algorithm", authenticated(gcm(16), new Uint8Array(12)), key],
    "a tag that is wrong": ["decryption-failed", authenticated(gcm(16), new Uint8Array(16)), key],
    "triple DES key wrap": ["unsupported-algorithm", withWrap(oid("1.2.840.113549.1.9.16.3.6")), key],
    "an unknown key transport": ["unsupported-algorithm", withTransport(oid("1.2.3")), opener(rsa)],
    "OAEP with two hashes": ["unsupported-algorithm", withTransport(oaep(der.explicit(0, sha256))), opener(rsa)],
    "OAEP with MD5": [
      "unsupported-algorithm",
      withTransport(oaep(der.explicit(0, oid("1.2.840.113549.2.5")))),
      opener(rsa),
    ],
    "OAEP with another mask": [
      "unsupported-algorithm",
      withTransport(oaep(der.explicit(0, sha256), mask(sha256, "1.2.3"))),
      opener(rsa),
    ],
    "OAEP with a label": [
      "unsupported-algorithm",
      withTransport(oaep(der.explicit(0, sha256), mask(sha256), label)),
      opener(rsa),
    ],
    "OAEP with more": [
      "malformed-cms",
      withTransport(oaep(der.explicit(0, sha256), mask(sha256), der.explicit(3, der.nullValue()))),
      opener(rsa),
    ],
    "OAEP of something else": [
      "decryption-failed",
      withTransport(oaep(der.explicit(0, sha256), mask(sha256))),
      opener(rsa),
    ],
    "a key agreement with SHA-1": [
      "unsupported-algorithm",
      withAgreement({ keyEncryptionAlgorithm: der.sequence([der.objectIdentifier("1.3.133.16.840.63.0.2"), keyWrap]) }),
      opener(elliptic),
    ],
    "a key agreement with an unknown key wrap": [
      "unsupported-algorithm",
      withAgreement({ keyEncryptionAlgorithm: keyAgreementIdentifier(oid("1.2.3")) }),
      opener(elliptic),
    ],
    "a key agreement without key wrap": [
      "malformed-cms",
      withAgreement({ keyEncryptionAlgorithm: oid("1.3.132.1.11.1") }),
      opener(elliptic),
    ],
    "an originator with a certificate": [
      "unsupported-algorithm",
      withAgreement({
        originator: der.explicit(0, encodeIdentifier(issuerAndSerialNumberOf(elliptic.certificate))),
      }),
      opener(elliptic),
    ],
    "an originator's key that is no point": ["decryption-failed", withAgreement({}), opener(elliptic)],
  };
  for (const [name, [code, bytes, opening]] of Object.entries(cases))
    refuses(code, () => decrypt(bytes, opening), name);
});

test("fail/messages that are something else", () => {
  const infos = (...parts: readonly Uint8Array[]) => messageOf({ recipientInfos: der.setOf(parts) });
  const keyIdOnly = der.implicit(0, der.octetString(Uint8Array.of(1)));
  const authType = contentTypes.authEnvelopedData;
  const authenticated = (contentType: string, ...attributes: readonly Uint8Array[]) =>
    messageOf(
      {
        version: der.integer(0),
        encryptedContentInfo: encryptedInfo({ contentType: der.objectIdentifier(contentType) }),
        rest: concat([
          ...(attributes.length > 0 ? [der.implicit(1, der.setOf(attributes))] : []),
          der.octetString(new Uint8Array(16)),
        ]),
      },
      authType,
    );
  const typeAttribute = (type: string) =>
    encodeAttribute(der.objectIdentifier(cmsAttributes.contentType), der.objectIdentifier(type));
  const agreements = der.sequence(
    Array(65).fill(
      der.sequence([encodeIdentifier(issuerAndSerialNumberOf(elliptic.certificate)), der.octetString(none)]),
    ),
  );
  const cases: Readonly<Record<string, readonly [CmsErrorCode, Uint8Array]>> = {
    SignedData: ["unexpected-content-type", messageOf({}, contentTypes.signedData)],
    empty: ["malformed-cms", none],
    "something behind it": ["malformed-cms", concat([messageOf(), der.nullValue()])],
    "no version": ["malformed-cms", messageOf({ version: none })],
    "version 5": ["malformed-cms", messageOf({ version: der.integer(5) })],
    "authenticated with version 1": [
      "malformed-cms",
      messageOf({ version: der.integer(1), rest: der.octetString(none) }, authType),
    ],
    "no recipients' field": ["malformed-cms", messageOf({ recipientInfos: none })],
    "no encrypted content info": ["malformed-cms", messageOf({ encryptedContentInfo: none })],
    "no content": ["content-missing", messageOf({ encryptedContentInfo: encryptedInfo({ encryptedContent: none }) })],
    "no content type": ["malformed-cms", messageOf({ encryptedContentInfo: encryptedInfo({ contentType: none }) })],
    "no algorithm": [
      "malformed-cms",
      messageOf({ encryptedContentInfo: encryptedInfo({ contentEncryptionAlgorithm: none }) }),
    ],
    "authenticated without a tag": ["malformed-cms", messageOf({ version: der.integer(0) }, authType)],
    "65 recipients": ["malformed-cms", infos(...Array(65).fill(kekInfo()))],
    "65 recipients of one agreement": ["malformed-cms", infos(agreementInfo({ recipientEncryptedKeys: agreements }))],
    "a recipient of no known kind": ["malformed-cms", infos(der.implicit(5, der.sequence([])))],
    "a key-encryption key of version 3": ["malformed-cms", infos(kekInfo({ version: der.integer(3) }))],
    "a key agreement of version 2": ["malformed-cms", infos(agreementInfo({ version: der.integer(2) }))],
    "a key transport of version 2 with a serial number": [
      "malformed-cms",
      infos(transportInfo({ version: der.integer(2) })),
    ],
    "a key transport of version 0 with a key identifier": ["malformed-cms", infos(transportInfo({ rid: keyIdOnly }))],
    "a key transport without a key": ["malformed-cms", infos(transportInfo({ encryptedKey: none }))],
    "a key agreement without originator": ["malformed-cms", infos(agreementInfo({ originator: none }))],
    "a type that is not authenticated": ["bad-attributes", authenticated(keyPackage)],
    "a type that is authenticated as another": [
      "bad-attributes",
      authenticated(keyPackage, typeAttribute(contentTypes.data)),
    ],
    "data that is authenticated as something else": [
      "bad-attributes",
      authenticated(contentTypes.data, typeAttribute(keyPackage)),
    ],
    "a type that is authenticated twice": [
      "bad-attributes",
      authenticated(keyPackage, typeAttribute(keyPackage), typeAttribute(contentTypes.data)),
    ],
  };
  for (const [name, [code, bytes]] of Object.entries(cases)) refuses(code, () => parseEnvelopedData(bytes), name);
  refuses("malformed-cms", () => parseEnvelopedData(messageOf(), messageOf().length - 1), "too large");
});

test("fail/what has no encoding", async () => {
  const { certificate } = await certificateFor("Ed25519");
  refuses("unencodable", () => messageFor([]), "no recipient");
  refuses("unencodable", () => messageFor([symmetric(17)]), "a key of 17 octets");
  refuses("unencodable", () => messageFor([symmetric(16)], { contentType: "x" }), "no content type");
  refuses("unsupported-key", () => messageFor([keyAgreement({ certificate })]), "Ed25519");
  refuses("unsupported-key", () => messageFor([keyAgreement(rsa)]), "a key agreement with RSA");
  const rid = issuerAndSerialNumberOf(elliptic.certificate);
  const { publicKey } = elliptic.certificate;
  const transport = { kind: "keyTransport", rid, publicKey, scheme: { kind: "RSAES-PKCS1-v1_5" } } as const;
  refuses("unsupported-key", () => messageFor([transport]), "a key transport with P-256");
});

test("ok/damaged messages are answered with a CmsError, and GCM with the content or with one", () => {
  let refused = 0;
  for (const [recipient, key] of [ways[0]!, ways[13]!, ways[ways.length - 1]!])
    for (const contentEncryption of ["aes128-CBC", "aes256-GCM"] as const) {
      const message = messageFor([recipient], { contentEncryption, contentType: keyPackage });
      for (const mutation of mutations(5083, message, 1000)) {
        try {
          const decrypted = decrypt(mutation, key);
          if (decrypted.authenticated) assert.ok(equal(decrypted.content, content));
          if (decrypted.authenticated) assert.equal(decrypted.contentType, keyPackage);
        } catch (error) {
          assert.ok(error instanceof CmsError, String(error));
          refused += 1;
        }
      }
    }
  assert.ok(refused > 3000 && refused < 6000, String(refused));
});
