import assert from "node:assert/strict";
import { equal } from "../../../src/core/bytes.ts";
import { decodeDer } from "../../../src/encoding/der.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { DerError } from "../../../src/encoding/errors.ts";
import {
  authorityInfoAccessOf,
  crlDistributionPointsOf,
  encodeAuthorityInfoAccess,
} from "../../../src/pki/access-extensions.ts";
import { parseCertificate } from "../../../src/pki/certificate.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { type Extension, encodeExtensions, parseExtensions } from "../../../src/pki/extensions.ts";
import { encodeGeneralName, type GeneralName, readGeneralNames } from "../../../src/pki/general-name.ts";
import { encodeName, equalNames, formatName, type Name, type NameAttribute, parseName } from "../../../src/pki/name.ts";
import { encodeNameConstraints, nameConstraintsOf, type Subtree } from "../../../src/pki/name-constraints.ts";
import { extensionTypes } from "../../../src/pki/oids.ts";
import {
  certificatePoliciesOf,
  inhibitAnyPolicyOf,
  mappedPoliciesOf,
  policyConstraintsOf,
} from "../../../src/pki/policies.ts";
import * as standard from "../../../src/pki/standard-extensions.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { certificates, names } from "./samples.ts";

/** The decoders of names and extensions, and of each extension's value. */
export function nameTargets(): readonly Target[] {
  return [
    ...targetsOf("name", { Ed25519: subject.raw, ...names }, readName, "der"),
    ...targetsOf("general names", { all: der.sequence(generalNames.map(encodeGeneralName)) }, readAlternatives, "der"),
    ...targetsOf("extensions", { all: encodeExtensions(codecs.map(({ sample }) => sample)) }, readExtensions, "der"),
    ...codecs.flatMap(({ sample, check }) =>
      targetsOf(
        "extension",
        { [sample.type]: sample.value },
        (value) => readsOrRefuses([PkiError], () => check({ ...sample, value })),
        "der",
      ),
    ),
  ];
}

/** Fails when a name could steer the terminal that it is shown in. */
export function checkShown(name: Name): void {
  assert.doesNotMatch(formatName(name), /\p{Cc}/u);
  assert.ok(name.normalised.length > 0);
}

/** Reads the value of every extension that is used here, out of what `read` gives. */
export function extensionReads(read: () => readonly Extension[]): readonly (() => void)[] {
  return codecs.map(
    ({ of }) =>
      () =>
        void of(read()),
  );
}

function readName(input: Uint8Array): boolean {
  return readsOrRefuses(
    [PkiError],
    () => checkShown(parseName(input)),
    () => {
      const name = parseName(input);
      assert.ok(equal(name.raw, input) && equalNames(name, parseName(input)));
      const texts = textsOf(name);
      if (texts === undefined) return;
      const again = textsOf(parseName(encodeName(texts)));
      assert.deepEqual(again, texts, "a name that was written is read as another one");
    },
  );
}

/** Undefined when a value is no string, or when two attributes stand beside each other. */
function textsOf({ relativeDistinguishedNames }: Name): readonly NameAttribute[] | undefined {
  const attributes: NameAttribute[] = [];
  for (const [attribute, second] of relativeDistinguishedNames) {
    if (attribute?.text === undefined || second !== undefined) return undefined;
    attributes.push({ type: attribute.type, value: attribute.text });
  }
  return attributes;
}

function readAlternatives(input: Uint8Array): boolean {
  return readsOrRefuses([DerError], () => {
    const names = decodeDer(input, readGeneralNames);
    assert.ok(equal(der.sequence(names.map(encodeGeneralName)), input), "names are written differently");
  });
}

function readExtensions(input: Uint8Array): boolean {
  return readsOrRefuses(
    [PkiError],
    () => {
      const read = parseExtensions(input);
      assert.deepEqual(parseExtensions(encodeExtensions(read)), read);
    },
    ...extensionReads(() => parseExtensions(input)),
  );
}

/** An extension with what reads its value. */
interface Codec {
  readonly sample: Extension;
  readonly of: (extensions: readonly Extension[]) => unknown;
  /** Fails when the value of this extension is read as another one after it was written. */
  readonly check: (extension: Extension) => void;
}

function codec<T>(
  sample: Extension,
  of: (extensions: readonly Extension[]) => T | undefined,
  encode: (value: T) => Extension,
): Codec {
  return {
    sample,
    of,
    check(extension) {
      const value = of([extension]);
      if (value !== undefined) assert.deepEqual(of([encode(value)]), value);
    },
  };
}

/** For an extension that is read and not written here, or only in one form. */
function decoder(type: string, value: Uint8Array, of: (extensions: readonly Extension[]) => unknown): Codec {
  return { sample: { type, critical: false, value }, of, check: (extension) => void of([extension]) };
}

const { raw, subject } = parseCertificate(certificates["Ed25519"] as Uint8Array);

const generalNames: readonly GeneralName[] = [
  { kind: "dNSName", text: "device.example" },
  { kind: "rfc822Name", text: "device@device.example" },
  { kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 1) },
  { kind: "iPAddress", address: new Uint8Array(16).fill(0xfd) },
  { kind: "uniformResourceIdentifier", text: "urn:device:1" },
  { kind: "directoryName", name: subject },
  { kind: "registeredID", identifier: "1.2.3" },
  { kind: "otherName", type: "1.2.3.4", value: subject.raw },
  { kind: "x400Address", raw: Uint8Array.of(0xa3, 2, 0x30, 0) },
  { kind: "ediPartyName", raw: Uint8Array.of(0xa5, 3, 0x81, 1, 0x41) },
];

const subtrees: readonly Subtree[] = [
  { kind: "dNSName", text: "device.example" },
  { kind: "rfc822Name", text: ".device.example" },
  { kind: "uniformResourceIdentifier", text: ".device.example" },
  { kind: "directoryName", name: subject },
  { kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 0), mask: Uint8Array.of(255, 255, 255, 0) },
];
const uri = encodeGeneralName({ kind: "uniformResourceIdentifier", text: "http://ca.example/crl" });
const relativeName = der.implicit(1, der.setOf([]));

const codecs: readonly Codec[] = [
  codec(
    standard.encodeBasicConstraints({ cA: true, pathLenConstraint: 3 }),
    standard.basicConstraintsOf,
    standard.encodeBasicConstraints,
  ),
  codec(standard.encodeKeyUsage(["digitalSignature", "cRLSign"]), standard.keyUsageOf, (usages) =>
    standard.encodeKeyUsage([...usages]),
  ),
  codec(
    standard.encodeExtKeyUsage(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]),
    standard.extKeyUsageOf,
    standard.encodeExtKeyUsage,
  ),
  codec(standard.encodeSubjectAltName(generalNames), standard.subjectAltNameOf, (names) =>
    standard.encodeSubjectAltName(names),
  ),
  codec(
    standard.encodeSubjectKeyIdentifier(raw.subarray(0, 20)),
    standard.subjectKeyIdentifierOf,
    standard.encodeSubjectKeyIdentifier,
  ),
  codec(
    standard.encodeAuthorityKeyIdentifier(raw.subarray(0, 20)),
    standard.authorityKeyIdentifierOf,
    standard.encodeAuthorityKeyIdentifier,
  ),
  codec(
    encodeNameConstraints({ permittedSubtrees: subtrees, excludedSubtrees: subtrees.slice(0, 2) }),
    nameConstraintsOf,
    encodeNameConstraints,
  ),
  decoder(
    extensionTypes.cRLDistributionPoints,
    der.sequence([
      der.sequence([der.explicit(0, der.implicit(0, der.sequence([uri])))]),
      der.sequence([
        der.explicit(0, relativeName),
        der.implicit(1, der.namedBits([1])),
        der.implicit(2, der.sequence([uri])),
      ]),
    ]),
    crlDistributionPointsOf,
  ),
  decoder(
    extensionTypes.authorityInfoAccess,
    encodeAuthorityInfoAccess({ ocsp: "http://ca.example/ocsp", caIssuers: "http://ca.example/ca" }).value,
    authorityInfoAccessOf,
  ),
  decoder(
    extensionTypes.certificatePolicies,
    der.sequence([
      der.sequence([
        der.objectIdentifier("1.2.3.4"),
        der.sequence([
          der.sequence([der.objectIdentifier("1.3.6.1.5.5.7.2.1"), der.ia5String("http://ca.example/cps")]),
        ]),
      ]),
    ]),
    certificatePoliciesOf,
  ),
  decoder(
    extensionTypes.policyMappings,
    der.sequence([der.sequence([der.objectIdentifier("1.2.3.4"), der.objectIdentifier("1.2.3.5")])]),
    mappedPoliciesOf,
  ),
  decoder(
    extensionTypes.policyConstraints,
    der.sequence([der.implicit(0, der.integer(0)), der.implicit(1, der.integer(1))]),
    policyConstraintsOf,
  ),
  decoder(extensionTypes.inhibitAnyPolicy, der.integer(0), inhibitAnyPolicyOf),
];
