import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { fromHex, hex, utf8 } from "../core/bytes.ts";
import { decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { PkiError } from "./errors.ts";
import { type Extension, encodeExtensions, extensionOf, parseExtensions } from "./extensions.ts";
import type { GeneralName } from "./general-name.ts";
import { encodeName, parseName } from "./name.ts";
import { attributeTypes, extensionTypes, keyPurposes, otherNames } from "./oids.ts";
import {
  authorityKeyIdentifierOf,
  basicConstraintsOf,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  extKeyUsageOf,
  keyIdentifierOf,
  keyUsageOf,
  subjectAltNameOf,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

function bytesOf(text: string): Uint8Array {
  const bytes = fromHex(text.replaceAll(" ", ""));
  assert.ok(bytes);
  return bytes;
}

const hardwareModuleName = der.sequence([der.objectIdentifier("1.3.6.1.4.1.32473.1"), der.octetString(utf8("SN-42"))]);

const names: readonly GeneralName[] = [
  { kind: "otherName", type: otherNames.hardwareModuleName, value: hardwareModuleName },
  { kind: "rfc822Name", text: "certify@example.com" },
  { kind: "dNSName", text: "registrar.example" },
  { kind: "directoryName", name: parseName(encodeName([{ type: attributeTypes.commonName, value: "a" }])) },
  { kind: "uniformResourceIdentifier", text: "https://masa.example" },
  { kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 1) },
  { kind: "iPAddress", address: bytesOf("20010db8000000000000000000000001") },
  { kind: "registeredID", identifier: "1.3.6.1.4.1.32473" },
];

const all: readonly Extension[] = [
  encodeBasicConstraints({ cA: true, pathLenConstraint: 1 }),
  encodeKeyUsage(["keyCertSign", "cRLSign"]),
  encodeExtKeyUsage([keyPurposes.clientAuth, keyPurposes.cmcRA]),
  encodeSubjectAltName(names),
  encodeSubjectKeyIdentifier(new Uint8Array(20).fill(1)),
  encodeAuthorityKeyIdentifier(new Uint8Array(20).fill(2)),
];

/** Everything that reads extensions, over one list of them. */
function readAll(extensions: readonly Extension[]) {
  return {
    basicConstraints: basicConstraintsOf(extensions),
    keyUsage: keyUsageOf(extensions),
    extKeyUsage: extKeyUsageOf(extensions),
    subjectAltName: subjectAltNameOf(extensions),
    subjectKeyIdentifier: subjectKeyIdentifierOf(extensions),
    authorityKeyIdentifier: authorityKeyIdentifierOf(extensions),
  };
}

test("ok/extensions are read back as they were built", () => {
  const parsed = parseExtensions(encodeExtensions(all));
  assert.deepEqual(
    parsed.map(({ type, critical }) => [type, critical]),
    all.map(({ type, critical }) => [type, critical]),
  );
  const read = readAll(parsed);
  assert.deepEqual(read.basicConstraints, { cA: true, pathLenConstraint: 1 });
  assert.deepEqual([...(read.keyUsage ?? [])], ["keyCertSign", "cRLSign"]);
  assert.deepEqual(read.extKeyUsage, [keyPurposes.clientAuth, keyPurposes.cmcRA]);
  assert.equal(hex(read.subjectKeyIdentifier ?? new Uint8Array()), "01".repeat(20));
  assert.equal(hex(read.authorityKeyIdentifier ?? new Uint8Array()), "02".repeat(20));
  assert.equal(read.subjectAltName?.length, names.length);
  for (const [i, name] of (read.subjectAltName ?? []).entries()) {
    const expected = names[i];
    assert.equal(name.kind, expected?.kind);
    if (name.kind === "otherName" && expected?.kind === "otherName")
      assert.deepEqual([name.type, hex(name.value)], [expected.type, hex(expected.value)]);
    if (name.kind === "dNSName" && expected?.kind === "dNSName") assert.equal(name.text, expected.text);
    if (name.kind === "iPAddress" && expected?.kind === "iPAddress")
      assert.equal(hex(name.address), hex(expected.address));
    if (name.kind === "directoryName" && expected?.kind === "directoryName")
      assert.equal(hex(name.name.raw), hex(expected.name.raw));
  }
});

test("ok/absent extensions are undefined", () => {
  for (const value of Object.values(readAll([]))) assert.equal(value, undefined);
  assert.equal(extensionOf(all, "1.2.3"), undefined);
});

test("ok/known encodings", () => {
  assert.equal(hex(encodeBasicConstraints({ cA: true }).value), "30030101ff");
  assert.equal(hex(encodeBasicConstraints({ cA: false }).value), "3000");
  assert.equal(hex(encodeKeyUsage(["digitalSignature", "keyAgreement"]).value), "03020388");
  assert.equal(hex(encodeKeyUsage(["decipherOnly"]).value), "0303070080");
});

test("ok/a FALSE that is written out is understood", () => {
  const value = bytesOf("3003 010100");
  const parsed = parseExtensions(
    der.sequence([der.sequence([der.objectIdentifier("2.5.29.19"), der.boolean(false), der.octetString(value)])]),
  );
  assert.equal(parsed[0]?.critical, false);
  assert.deepEqual(basicConstraintsOf(parsed), { cA: false });
});

test("ok/RFC 9908: the SAN of an ACP node", () => {
  const parsed = parseExtensions(
    bytesOf(
      "305730550603551d110101ff044b3049a04706082b0601050507080aa03b1639726663383939342b66643733396663323363333434303131323233333434353530303030303030302b406163702e6578616d706c652e636f6d",
    ),
  );
  const [name] = subjectAltNameOf(parsed) ?? [];
  assert.ok(name?.kind === "otherName");
  assert.equal(name.type, otherNames.acpNodeName);
  const text = decodeDer(name.value, (reader) => reader.text(tags.ia5String));
  assert.equal(text, "rfc8994+fd739fc23c3440112233445500000000+@acp.example.com");
});

test("ok/a template leaves an address open (RFC 9908 3.4)", () => {
  const open = { type: extensionTypes.subjectAltName, critical: false, value: bytesOf("3002 8700") };
  assert.deepEqual(
    subjectAltNameOf([open])?.map((name) => name.kind),
    ["iPAddress"],
  );
});

test("ok/RFC 7093 key identifier of an RFC 8410 key", () => {
  const key = bytesOf("302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
  assert.equal(keyIdentifierOf(key).length, 20);
  assert.throws(() => keyIdentifierOf(new Uint8Array(3)), { code: "unencodable" });
});

test("fail/an extension that occurs twice", () => {
  const [first] = all;
  assert.ok(first);
  assert.throws(() => encodeExtensions([first, first]), { code: "duplicate-extension" });
  const one = der.sequence([der.objectIdentifier("2.5.29.19"), der.octetString(first.value)]);
  assert.throws(() => parseExtensions(der.sequence([one, one])), { code: "duplicate-extension" });
});

test("fail/malformed values", () => {
  const cases = [
    [extensionTypes.basicConstraints, "", basicConstraintsOf],
    [extensionTypes.basicConstraints, "3003 0201ff", basicConstraintsOf],
    [extensionTypes.basicConstraints, "3003 0101ff 00", basicConstraintsOf],
    [extensionTypes.keyUsage, "0302 08 80", keyUsageOf],
    [extensionTypes.keyUsage, "0401 80", keyUsageOf],
    [extensionTypes.extKeyUsage, "3002 0500", extKeyUsageOf],
    [extensionTypes.subjectAltName, "3000", subjectAltNameOf],
    [extensionTypes.subjectAltName, "3005 8703010203", subjectAltNameOf],
    [extensionTypes.subjectAltName, "3003 8201ff", subjectAltNameOf],
    [extensionTypes.subjectAltName, "3002 8900", subjectAltNameOf],
    [extensionTypes.subjectKeyIdentifier, "3000", subjectKeyIdentifierOf],
    [extensionTypes.authorityKeyIdentifier, "3002 8300", authorityKeyIdentifierOf],
  ] as const;
  for (const [type, value, read] of cases)
    assert.throws(
      () => read([{ type, critical: false, value: bytesOf(value) }]),
      { code: "malformed-extension" },
      value,
    );
});

test("fail/malformed lists and values without an encoding", () => {
  for (const text of ["", "3000 00", "3003 020100", "3007 3005 0603551d13"])
    assert.throws(() => parseExtensions(bytesOf(text)), { code: "malformed-extension" }, text);
  assert.throws(() => encodeSubjectAltName([{ kind: "dNSName", text: "ä.example" }]), { code: "unencodable" });
  assert.throws(() => encodeSubjectAltName([{ kind: "iPAddress", address: new Uint8Array(5) }]), {
    code: "unencodable",
  });
  assert.throws(() => encodeExtKeyUsage(["clientAuth"]), { code: "unencodable" });
});

test("ok/damaged extensions are answered with a PkiError or values", () => {
  for (const mutation of mutations(11, encodeExtensions(all), 3000)) {
    try {
      readAll(parseExtensions(mutation));
    } catch (error) {
      assert.ok(error instanceof PkiError, String(error));
    }
  }
});

const oid = fc
  .array(fc.bigInt({ min: 0n, max: 2n ** 128n }), { minLength: 1, maxLength: 3 })
  .map((arcs) => `2.25.${arcs.join(".")}`);
const octets = fc.uint8Array({ maxLength: 60 });
const ascii = fc.string({ unit: "binary-ascii", maxLength: 30 });

test("ok/any list of extensions is read back", () => {
  const extension = fc.record({ type: oid, critical: fc.boolean(), value: octets });
  const list = fc.uniqueArray(extension, { selector: ({ type }) => type, maxLength: 10 });
  const plain = (extensions: readonly Extension[]) => extensions.map((each) => ({ ...each, value: hex(each.value) }));
  fc.assert(
    fc.property(list, (extensions) => {
      assert.deepEqual(plain(parseExtensions(encodeExtensions(extensions))), plain(extensions));
    }),
    { seed: 24, numRuns: 200 },
  );
});

test("ok/any value of a standard extension is read back", () => {
  const usages = fc.subarray(["digitalSignature", "keyAgreement", "keyCertSign", "cRLSign", "decipherOnly"] as const);
  const length = fc.option(fc.nat(0x7fffffff), { nil: undefined });
  fc.assert(
    fc.property(
      fc.boolean(),
      length,
      usages,
      fc.array(oid, { maxLength: 8 }),
      octets,
      (cA, most, used, types, bytes) => {
        const constraints = most === undefined ? { cA } : { cA, pathLenConstraint: most };
        assert.deepEqual(basicConstraintsOf([encodeBasicConstraints(constraints)]), constraints);
        assert.deepEqual([...(keyUsageOf([encodeKeyUsage(used)]) ?? [])], used);
        assert.deepEqual(extKeyUsageOf([encodeExtKeyUsage(types)]), types);
        assert.equal(hex(subjectKeyIdentifierOf([encodeSubjectKeyIdentifier(bytes)]) ?? bytesOf("00")), hex(bytes));
        assert.equal(hex(authorityKeyIdentifierOf([encodeAuthorityKeyIdentifier(bytes)]) ?? bytesOf("00")), hex(bytes));
      },
    ),
    { seed: 25, numRuns: 300 },
  );
});

test("ok/any names are read back from a subjectAltName", () => {
  const text = (kind: "rfc822Name" | "dNSName" | "uniformResourceIdentifier") =>
    ascii.map((value): GeneralName => ({ kind, text: value }));
  const addressOf = (length: number) =>
    fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes): GeneralName => ({ kind: "iPAddress", address: Buffer.from(bytes) }));
  const otherName = fc
    .tuple(oid, octets)
    .map(([type, bytes]): GeneralName => ({ kind: "otherName", type, value: der.octetString(bytes) }));
  const name = fc.oneof(
    ...[text("rfc822Name"), text("dNSName"), text("uniformResourceIdentifier"), addressOf(4), addressOf(16), otherName],
    oid.map((identifier): GeneralName => ({ kind: "registeredID", identifier })),
  );
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 10 }), fc.boolean(), (all, critical) => {
      assert.deepEqual(subjectAltNameOf([encodeSubjectAltName(all, critical)]), all);
    }),
    { seed: 26, numRuns: 300 },
  );
});
