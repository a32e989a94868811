import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { fromBase64, fromHex, hex, utf8 } from "../core/bytes.ts";
import { signatureAlgorithms } from "../crypto/algorithms.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, contextPrimitive } from "../encoding/tags.ts";
import { type AttrOrOid, encodeCsrAttrs, parseCsrAttrs } from "./csr-attributes.ts";
import {
  asksForNothing,
  attributesFor,
  type RequestRequirements,
  requirementsOf,
  templateFor,
} from "./csr-attributes-requirements.ts";
import { isComplete, type NameAttributeTemplate } from "./csr-attributes-template.ts";
import { PkiError, type PkiErrorCode } from "./errors.ts";
import { encodeExtensions } from "./extensions.ts";
import { attributeTypes, curves, extensionTypes, keyTypes, requestAttributes, templateAttributes } from "./oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage, encodeSubjectAltName, subjectAltNameOf } from "./standard-extensions.ts";

const nothing: RequestRequirements = {
  challengePassword: false,
  keys: [],
  signatureAlgorithms: [],
  subject: [],
  extensions: [],
};

function asked(bytes: Uint8Array | undefined): RequestRequirements {
  return requirementsOf(parseCsrAttrs(bytes ?? new Uint8Array()));
}

function refused(code: PkiErrorCode, run: () => unknown, name: string): void {
  assert.throws(run, (error) => error instanceof PkiError && error.code === code, `${name} must be refused as ${code}`);
}

// Vectors of RFC 7030 4.5.2 (and RFC 8951 4) and of the examples of RFC 9908.
const rfc7030 =
  "304106092a864886f70d010907301206072a8648ce3d0201310706052b81040022301606092a864886f70d01090e310906072b06010101011606082a8648ce3d040303";
const acpSan =
  "3068306606092a864886f70d01090e3159305730550603551d110101ff044b3049a04706082b0601050507080aa03b1639726663383939342b66643733396663323363333434303131323233333434353530303030303030302b406163702e6578616d706c652e636f6d";
const rsa4096 = "302906092a864886f70d010907301106092a864886f70d01010131040202100006092a864886f70d01010b";
const p384WithSerialNumber = "MC4GCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgNVBAUGCCqGSM49BAMD";
const p521WithUnknown =
  "MEUGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAjBgkqhkiG9w0BCRQGCgmSJomT8ixkAQUGA1UEBQYIKoZIzj0EAwQ=";

test("ok/the example of RFC 7030 4.5.2, whose extensionRequest holds an OBJECT IDENTIFIER, asks for the rest of it", () => {
  const bytes = fromHex(rfc7030) as Uint8Array;
  const elements = parseCsrAttrs(bytes);
  assert.deepEqual(
    elements.map(({ kind, type }) => `${kind} ${type}`),
    [
      "oid 1.2.840.113549.1.9.7",
      "attribute 1.2.840.10045.2.1",
      "attribute 1.2.840.113549.1.9.14",
      "oid 1.2.840.10045.4.3.3",
    ],
  );
  assert.deepEqual(requirementsOf(elements), {
    ...nothing,
    challengePassword: true,
    keys: [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] }],
    signatureAlgorithms: [signatureAlgorithms.ecdsaWithSha384],
  });
  assert.equal(hex(encodeCsrAttrs(elements)), rfc7030);
});

test("ok/the example of RFC 9908 for ACP nodes asks for a subjectAltName as it stands", () => {
  const { extensions, ...rest } = asked(fromHex(acpSan));
  assert.deepEqual({ ...rest, extensions: [] }, nothing);
  const [san] = extensions;
  assert.ok(san !== undefined && isComplete(san) && san.critical);
  const [name] = subjectAltNameOf([san]) ?? [];
  assert.ok(name?.kind === "otherName");
  assert.equal(name.type, "1.3.6.1.5.5.7.8.10");
  assert.equal(hex(name.value), hex(der.ia5String("rfc8994+fd739fc23c3440112233445500000000+@acp.example.com")));
  assert.equal(hex(encodeCsrAttrs(attributesFor({ ...nothing, extensions }))), acpSan);
});

test("ok/the example of RFC 9908 for RSA asks for 4096 bits and SHA-256", () => {
  const requirements = asked(fromHex(rsa4096));
  assert.deepEqual(requirements, {
    ...nothing,
    challengePassword: true,
    keys: [{ algorithm: keyTypes.rsaEncryption, bits: 4096 }],
    signatureAlgorithms: [signatureAlgorithms.sha256WithRsa],
  });
  assert.equal(hex(encodeCsrAttrs(attributesFor(requirements))), rsa4096);
});

test("ok/the example of RFC 9908 for P-384 asks for a serial number by its bare type", () => {
  const { keys, subject } = asked(fromBase64(p384WithSerialNumber));
  assert.deepEqual(keys, [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] }]);
  assert.deepEqual(subject, [[{ type: attributeTypes.serialNumber }]]);
});

test("ok/a friendly name and a favourite drink are unknown, and ask for nothing", () => {
  const { keys, subject, extensions, signatureAlgorithms: by } = asked(fromBase64(p521WithUnknown));
  assert.deepEqual(keys, [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-521"] }]);
  assert.deepEqual([subject, extensions], [[[{ type: attributeTypes.serialNumber }]], []]);
  assert.deepEqual(by, [signatureAlgorithms.ecdsaWithSha512]);
});

test("ok/an empty list asks for nothing", () => {
  assert.deepEqual(asked(fromHex("3000")), nothing);
  assert.equal(hex(encodeCsrAttrs([])), "3000");
  assert.ok(asksForNothing(nothing));
});

const text = (type: string, value: string): NameAttributeTemplate => ({ type, value: der.utf8String(value) });
const host = encodeSubjectAltName([{ kind: "dNSName", text: "www.myServer.com" }]);
const partialSan = encodeSubjectAltName([
  { kind: "dNSName", text: "www.myServer.com" },
  { kind: "iPAddress", address: new Uint8Array() },
]);
/** The template that RFC 9908 3.4 draws. */
const drawn: RequestRequirements = {
  ...nothing,
  keys: [{ algorithm: keyTypes.ecPublicKey, curve: curves["P-256"] }],
  subject: [
    [{ type: attributeTypes.commonName }],
    [text(attributeTypes.organizationalUnitName, "myDept")],
    [text(attributeTypes.organizationalUnitName, "myGroup")],
  ],
  extensions: [
    partialSan,
    encodeKeyUsage(["digitalSignature", "keyAgreement"]),
    { type: extensionTypes.extKeyUsage, critical: false },
  ],
};

test("ok/the template of RFC 9908 3.4 has the octets of its drawing", () => {
  const [bytes] = valuesOf(templateFor(drawn));
  const expected = der.sequence([
    der.integer(0),
    der.sequence([
      der.setOf([der.sequence([der.objectIdentifier("2.5.4.3")])]),
      der.setOf([der.sequence([der.objectIdentifier("2.5.4.11"), der.utf8String("myDept")])]),
      der.setOf([der.sequence([der.objectIdentifier("2.5.4.11"), der.utf8String("myGroup")])]),
    ]),
    fromHex("a015301306072a8648ce3d020106082a8648ce3d030107") as Uint8Array,
    der.element(
      contextConstructed(1),
      der.sequence([
        der.objectIdentifier("1.2.840.113549.1.9.16.2.62"),
        der.setOf([
          der.sequence([
            der.sequence([
              der.objectIdentifier("2.5.29.17"),
              der.octetString(
                der.sequence([
                  der.element(contextPrimitive(2), utf8("www.myServer.com")),
                  der.element(contextPrimitive(7), new Uint8Array()),
                ]),
              ),
            ]),
            der.sequence([
              der.objectIdentifier("2.5.29.15"),
              der.boolean(true),
              der.octetString(fromHex("03020388") as Uint8Array),
            ]),
            der.sequence([der.objectIdentifier("2.5.29.37")]),
          ]),
        ]),
      ]),
    ),
  ]);
  assert.equal(hex(bytes as Uint8Array), hex(expected));
  assert.deepEqual(plain(requirementsOf([templateFor(drawn)])), plain(drawn));
});

test("ok/a template with nothing in it keeps its empty attributes", () => {
  assert.equal(hex(valuesOf(templateFor(nothing))[0] as Uint8Array), "3005020100a100");
  assert.deepEqual(requirementsOf([templateFor(nothing)]), nothing);
});

test("ok/E26: extensions that are complete stand in an extensionRequest, and otherwise in a template of them, never in both", () => {
  const attributeOf = (extensions: RequestRequirements["extensions"]) =>
    hex(valuesOf(templateFor({ ...nothing, extensions }))[0] as Uint8Array);
  const request = hex(der.objectIdentifier(requestAttributes.extensionRequest));
  const template = hex(der.objectIdentifier(templateAttributes.extensionReqTemplate));
  const complete = attributeOf([host, encodeExtKeyUsage(["1.3.6.1.5.5.7.3.2"])]);
  assert.deepEqual([complete.includes(request), complete.includes(template)], [true, false]);
  for (const partial of [partialSan, { type: extensionTypes.subjectAltName, critical: true }]) {
    const found = attributeOf([partial, encodeExtKeyUsage(["1.3.6.1.5.5.7.3.2"])]);
    assert.deepEqual([found.includes(request), found.includes(template)], [false, true]);
  }
});

for (const bits of [2048, 3072, 4096, 2049, 2055])
  test(`ok/E26: a placeholder key tells the size of an RSA key, ${bits} bits`, () => {
    const keys = [{ algorithm: keyTypes.rsaEncryption, bits }];
    assert.deepEqual(requirementsOf([templateFor({ ...nothing, keys })]).keys, keys);
  });

test("ok/E26: no other key has a placeholder, nor an RSA key of any size", () => {
  const encoded = (algorithm: string) =>
    hex(valuesOf(templateFor({ ...nothing, keys: [{ algorithm }] }))[0] as Uint8Array);
  assert.equal(encoded(keyTypes.ed25519), "300e020100a007300506032b6570a100");
  assert.equal(encoded(keyTypes.rsaEncryption), "3016020100a00f300d06092a864886f70d0101010500a100");
});

test("ok/E27: next to a template nothing else is looked at, not even what would be wrong", () => {
  const extensions = oidAttribute(requestAttributes.extensionRequest, encodeExtensions([host]));
  const elements = [
    extensions,
    extensions,
    templateFor(drawn),
    { kind: "oid", type: requestAttributes.challengePassword },
  ];
  assert.deepEqual(plain(requirementsOf(elements as readonly AttrOrOid[])), plain(drawn));
});

test("ok/a template of a single extension, as the prose of RFC 9908 reads, is one of a list", () => {
  const single = der.sequence([der.objectIdentifier(extensionTypes.subjectAltName)]);
  assert.deepEqual(
    requirementsOf([withAttributes(attributeIn(templateAttributes.extensionReqTemplate, single))]).extensions,
    [{ type: extensionTypes.subjectAltName, critical: false }],
  );
});

test("ok/unknown attributes of a template ask for nothing", () => {
  assert.deepEqual(requirementsOf([withAttributes(attributeIn("1.3.6.1.1.1.1.22", der.nullValue()))]), nothing);
});

test("ok/several keys are any of them: neither form states one", () => {
  const keys = [{ algorithm: keyTypes.ed25519 }, { algorithm: keyTypes.rsaEncryption }];
  assert.deepEqual(attributesFor({ ...nothing, keys }), []);
  assert.ok(asksForNothing({ ...nothing, keys }));
  const both = keys.map(({ algorithm }): AttrOrOid => ({ kind: "oid", type: algorithm }));
  assert.deepEqual(requirementsOf(both).keys, keys);
});

const extensionRequest = attributeIn(requestAttributes.extensionRequest, encodeExtensions([host]));
const extensionTemplate = (...templates: readonly Uint8Array[]) =>
  attributeIn(templateAttributes.extensionReqTemplate, der.sequence(templates));
const sanTemplate = der.sequence([der.objectIdentifier(extensionTypes.subjectAltName)]);
const keyed = (key: Uint8Array) =>
  rawTemplate(der.integer(0), der.element(contextConstructed(0), key), emptyAttributes);
const emptyAttributes = der.element(contextConstructed(1), new Uint8Array());
const ec = der.sequence([der.objectIdentifier(keyTypes.ecPublicKey), der.objectIdentifier(curves["P-256"])]);

const wrong: Readonly<Record<string, readonly [PkiErrorCode, () => readonly AttrOrOid[]]>> = {
  "E26: two templates": ["duplicate-attribute", () => [templateFor(drawn), templateFor(drawn)]],
  "E26: a template with two values": [
    "malformed-csrattrs",
    () => [oidAttribute(templateAttributes.requestInfoTemplate, ...valuesOf(templateFor(drawn)), der.nullValue())],
  ],
  "a template without a value": ["malformed-csrattrs", () => [oidAttribute(templateAttributes.requestInfoTemplate)]],
  "E26: a template of another version": ["malformed-csrattrs", () => [rawTemplate(der.integer(1), emptyAttributes)]],
  "a template without its attributes": ["malformed-csrattrs", () => [rawTemplate(der.integer(0))]],
  "a template with something behind": [
    "malformed-csrattrs",
    () => [rawTemplate(der.integer(0), emptyAttributes, der.nullValue())],
  ],
  "E26: both requests for extensions": [
    "duplicate-attribute",
    () => [withAttributes(extensionRequest, extensionTemplate(sanTemplate))],
  ],
  "E26: two templates of extensions": [
    "duplicate-attribute",
    () => [withAttributes(extensionTemplate(sanTemplate), extensionTemplate(sanTemplate))],
  ],
  "E26: an extension twice in a template": [
    "duplicate-extension",
    () => [withAttributes(extensionTemplate(sanTemplate, sanTemplate))],
  ],
  "E26: a placeholder of another key than RSA": [
    "malformed-csrattrs",
    () => [keyed(Buffer.concat([ec, der.bitString(Uint8Array.of(4))]))],
  ],
  "a placeholder without a size": [
    "malformed-csrattrs",
    () => {
      const rsa = der.sequence([der.objectIdentifier(keyTypes.rsaEncryption), der.nullValue()]);
      const key = der.sequence([der.integer(0), der.integer(3)]);
      return [keyed(Buffer.concat([rsa, der.bitString(key)]))];
    },
  ],
  "E25: two extensionRequests": [
    "duplicate-attribute",
    () => [
      oidAttribute(requestAttributes.extensionRequest, encodeExtensions([host])),
      oidAttribute(requestAttributes.extensionRequest, encodeExtensions([host])),
    ],
  ],
  "E25: an extensionRequest with two values": [
    "malformed-csrattrs",
    () => [oidAttribute(requestAttributes.extensionRequest, encodeExtensions([host]), der.sequence([]))],
  ],
  "E25: an extension twice": [
    "duplicate-extension",
    () => {
      const one = der.sequence([der.objectIdentifier(extensionTypes.keyUsage), der.octetString(Uint8Array.of(5, 0))]);
      return [oidAttribute(requestAttributes.extensionRequest, der.sequence([one, one]))];
    },
  ],
  "an extensionRequest of something else": [
    "malformed-csrattrs",
    () => [oidAttribute(requestAttributes.extensionRequest, der.nullValue())],
  ],
  "two curves": [
    "malformed-csrattrs",
    () => [oidAttribute(keyTypes.ecPublicKey, ...Object.values(curves).map((curve) => der.objectIdentifier(curve)))],
  ],
  "a curve that is no OBJECT IDENTIFIER": [
    "malformed-csrattrs",
    () => [oidAttribute(keyTypes.ecPublicKey, der.integer(256))],
  ],
  "a size that is no number": ["malformed-csrattrs", () => [oidAttribute(keyTypes.rsaEncryption, der.nullValue())]],
  "a size beyond all keys": ["malformed-csrattrs", () => [oidAttribute(keyTypes.rsaEncryption, der.integer(2 ** 31))]],
  "parameters of Ed25519": ["malformed-csrattrs", () => [oidAttribute(keyTypes.ed25519, der.nullValue())]],
  "a name attribute with two values": [
    "malformed-csrattrs",
    () => [oidAttribute(attributeTypes.organizationName, der.utf8String("a"), der.utf8String("b"))],
  ],
};

for (const [name, [code, elements]] of Object.entries(wrong))
  test(`fail/${name}`, () => refused(code, () => requirementsOf(parseCsrAttrs(encodeCsrAttrs(elements()))), name));

const notDer: Readonly<Record<string, string>> = {
  "nothing at all": "",
  "something behind the list": "30000500",
  "an element of another type": "30020500",
  "an attribute without values": "300530030601 2a".replace(" ", ""),
  "an indefinite length": "30800000",
  "a list that is cut off": "3005060100",
};
for (const [name, octets] of Object.entries(notDer))
  test(`fail/${name} is no list of CSR attributes`, () =>
    refused("malformed-csrattrs", () => parseCsrAttrs(fromHex(octets) as Uint8Array), name));

test("fail/a list of more elements than anybody asks for", () => {
  const one = der.objectIdentifier(requestAttributes.challengePassword);
  assert.equal(parseCsrAttrs(der.sequence(new Array(128).fill(one))).length, 128);
  refused("malformed-csrattrs", () => parseCsrAttrs(der.sequence(new Array(129).fill(one))), "129 elements");
  refused("malformed-csrattrs", () => parseCsrAttrs(der.sequence(new Array(10_000).fill(one))), "110 KB");
});

test("fail/an extension that is asked for twice is not encoded", () => {
  const san = { type: extensionTypes.subjectAltName, critical: false };
  for (const extensions of [
    [san, san],
    [host, host],
  ])
    refused("duplicate-extension", () => templateFor({ ...nothing, extensions }), "a template");
  refused("duplicate-extension", () => attributesFor({ ...nothing, extensions: [host, host] }), "attributes");
});

const oids = fc.constantFrom(...Object.values(attributeTypes));
const rdn = fc.record({
  type: oids,
  value: fc.option(fc.string({ unit: "grapheme", maxLength: 20 }), { nil: undefined }),
});
const requirements: fc.Arbitrary<RequestRequirements> = fc.record({
  challengePassword: fc.boolean(),
  keys: fc.array(
    fc.oneof(
      fc.constantFrom(...Object.values(curves)).map((curve) => ({ algorithm: keyTypes.ecPublicKey, curve })),
      fc.constant({ algorithm: keyTypes.ecPublicKey }),
      fc.integer({ min: 512, max: 9000 }).map((bits) => ({ algorithm: keyTypes.rsaEncryption, bits })),
      fc.constant({ algorithm: keyTypes.ed25519 }),
    ),
    { maxLength: 1 },
  ),
  signatureAlgorithms: fc.constant([]),
  subject: fc.array(
    rdn.map(({ type, value }) => [value === undefined ? { type } : { type, value: der.utf8String(value) }]),
    { maxLength: 8 },
  ),
  extensions: fc.uniqueArray(
    fc.record({
      type: fc.constantFrom(extensionTypes.keyUsage, extensionTypes.extKeyUsage, "1.2.3.4"),
      critical: fc.boolean(),
      value: fc.uint8Array({ maxLength: 20 }),
    }),
    { selector: ({ type }) => type, maxLength: 3 },
  ),
});

test("ok/what is asked for in either form is what was to be asked for", () => {
  fc.assert(
    fc.property(requirements, fc.boolean(), (wanted, asTemplate) => {
      const elements = asTemplate ? [templateFor(wanted)] : attributesFor(wanted);
      const received = parseCsrAttrs(encodeCsrAttrs(elements));
      assert.deepEqual(plain(requirementsOf(received)), plain(wanted));
    }),
    { seed: 9908, numRuns: 300 },
  );
});

test("ok/what is left to the client survives in a template, and is left out of attributes", () => {
  const extensions = [host, { type: extensionTypes.extKeyUsage, critical: true }];
  assert.deepEqual(plain(requirementsOf([templateFor({ ...nothing, extensions })]).extensions), plain(extensions));
  assert.deepEqual(plain(requirementsOf(attributesFor({ ...nothing, extensions })).extensions), plain([host]));
});

test("fail/damaged lists are refused by this room's error, or are lists again", () => {
  const samples = [rfc7030, acpSan, rsa4096, hex(encodeCsrAttrs([templateFor(drawn)]))];
  for (const [seed, sample] of samples.entries())
    for (const damaged of mutations(seed, fromHex(sample) as Uint8Array, 500)) {
      try {
        const elements = parseCsrAttrs(damaged);
        assert.deepEqual(parseCsrAttrs(encodeCsrAttrs(elements)).length, elements.length);
        requirementsOf(elements);
      } catch (error) {
        assert.ok(error instanceof PkiError, String(error));
      }
    }
});

function valuesOf(element: AttrOrOid): readonly Uint8Array[] {
  return element.kind === "attribute" ? element.values : [];
}

function oidAttribute(type: string, ...values: readonly Uint8Array[]): AttrOrOid {
  return { kind: "attribute", type, values };
}

function attributeIn(type: string, value: Uint8Array): Uint8Array {
  return der.sequence([der.objectIdentifier(type), der.setOf([value])]);
}

function rawTemplate(...fields: readonly Uint8Array[]): AttrOrOid {
  return oidAttribute(templateAttributes.requestInfoTemplate, der.sequence(fields));
}

function withAttributes(...attributes: readonly Uint8Array[]): AttrOrOid {
  return rawTemplate(der.integer(0), der.setOf(attributes, contextConstructed(1)));
}

/** With octets as text, so that views and copies of them compare equal. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, each) =>
      each?.type === "Buffer" ? hex(Buffer.from(each.data)) : each instanceof Uint8Array ? hex(each) : each,
    ),
  );
}
