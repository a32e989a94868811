import { type SignatureAlgorithm, signatureAlgorithms } from "../crypto/algorithms.ts";
import { decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import type { AttrOrOid } from "./csr-attributes.ts";
import {
  type ExtensionTemplate,
  encodeRequestTemplate,
  extensionsAmong,
  isComplete,
  type KeyRequirement,
  type NameAttributeTemplate,
  readRequestTemplate,
} from "./csr-attributes-template.ts";
import { decoding, encoding, PkiError } from "./errors.ts";
import { encodeExtensions } from "./extensions.ts";
import { attributeTypes, keyTypes, requestAttributes, templateAttributes } from "./oids.ts";

/** What a CA wants to find in a certification request, in whichever form it was said. */
export interface RequestRequirements {
  /** A challengePassword, which for EST is the channel binding (RFC 7030 3.5). */
  readonly challengePassword: boolean;
  /** A key that fits one of these; any when there is none. */
  readonly keys: readonly KeyRequirement[];
  /** A signature by one of these; any when there is none. A template cannot say it. */
  readonly signatureAlgorithms: readonly SignatureAlgorithm[];
  /** These RDNs, in this order. */
  readonly subject: readonly (readonly NameAttributeTemplate[])[];
  readonly extensions: readonly ExtensionTemplate[];
}

/**
 * What elements of CsrAttrs ask for: the template alone when there is one (RFC 9908, co-existence), else all that is known among
 * the others. Unknown elements ask for nothing (RFC 7030 4.5.2). Throws PkiError `malformed-csrattrs`, `duplicate-attribute` for
 * two templates or two requests for extensions, or `duplicate-extension`.
 */
export function requirementsOf(elements: readonly AttrOrOid[]): RequestRequirements {
  return decoding("malformed-csrattrs", "list of CSR attributes", () => {
    const [template, second] = elements.filter(
      (element) => element.kind === "attribute" && element.type === templateAttributes.requestInfoTemplate,
    );
    if (second !== undefined) throw new PkiError("duplicate-attribute", "There is more than one request template.");
    return template?.kind === "attribute" ? ofTemplate(template.values) : ofAttributes(elements);
  });
}

/**
 * The form of RFC 7030 as RFC 9908 3.2 reads it. Left out is what it cannot say: one key of several, and extensions of which
 * something is left to the client. Throws PkiError `unencodable` or `duplicate-extension`.
 */
export function attributesFor(requirements: RequestRequirements): readonly AttrOrOid[] {
  const { challengePassword, keys, subject, extensions } = requirements;
  const [key, another] = keys;
  const complete = extensions.filter(isComplete);
  return [
    ...(challengePassword ? [oid(requestAttributes.challengePassword)] : []),
    ...(key === undefined || another !== undefined ? [] : [attributeOfKey(key)]),
    ...subject.flat().map(({ type, value }) => (value === undefined ? oid(type) : attribute(type, [value]))),
    ...(complete.length === 0 ? [] : [attribute(requestAttributes.extensionRequest, [encodeExtensions(complete)])]),
    ...requirements.signatureAlgorithms.flatMap(({ name }) => {
      const type = signatureTypes.find(([, known]) => known.name === name)?.[0];
      return type === undefined ? [] : [oid(type)];
    }),
  ];
}

/**
 * The form of RFC 9908 3.4. Left out is what it cannot say: one key of several, and signature algorithms. Throws PkiError
 * `unencodable` or `duplicate-extension`.
 */
export function templateFor({ challengePassword, keys, subject, extensions }: RequestRequirements): AttrOrOid {
  const [key, another] = keys;
  const template = {
    challengePassword,
    subject,
    extensions,
    ...(key === undefined || another !== undefined ? {} : { key }),
  };
  return attribute(templateAttributes.requestInfoTemplate, [
    encoding("request template", () => encodeRequestTemplate(template)),
  ]);
}

/** Whether a template would ask for anything. */
export function asksForNothing({ challengePassword, keys, subject, extensions }: RequestRequirements): boolean {
  return !challengePassword && keys.length !== 1 && subject.length === 0 && extensions.length === 0;
}

function ofTemplate(values: readonly Uint8Array[]): RequestRequirements {
  const [value, another] = values;
  if (value === undefined || another !== undefined)
    throw new DerError("bad-value", "The request template has not exactly one value.");
  const { key, ...rest } = decodeDer(value, readRequestTemplate);
  return { ...rest, keys: key === undefined ? [] : [key], signatureAlgorithms: [] };
}

function ofAttributes(elements: readonly AttrOrOid[]): RequestRequirements {
  return {
    challengePassword: elements.some(({ type }) => type === requestAttributes.challengePassword),
    keys: elements.flatMap(keyOf),
    signatureAlgorithms: elements.flatMap((element) => signatureAlgorithmOf(element) ?? []),
    subject: elements.flatMap((element) => nameAttributeOf(element) ?? []).map((each) => [each]),
    extensions: extensionsAmong(elements.filter((element) => element.kind === "attribute")),
  };
}

/** RFC 9908 3.2: the type of the key, and by its value a curve or a size. */
function keyOf(element: AttrOrOid): readonly KeyRequirement[] {
  const { type: algorithm } = element;
  if (!knownKeyTypes.has(algorithm)) return [];
  const [value, another] = element.kind === "attribute" ? element.values : [];
  if (value === undefined) return [{ algorithm }];
  if (another !== undefined) throw new DerError("bad-value", `Attribute ${algorithm} has more than one value.`);
  if (algorithm === keyTypes.ecPublicKey)
    return [{ algorithm, curve: decodeDer(value, (reader) => reader.objectIdentifier()) }];
  if (algorithm === keyTypes.rsaEncryption)
    return [{ algorithm, bits: decodeDer(value, (reader) => reader.smallInteger(mostBits)) }];
  throw new DerError("bad-value", `Keys of type ${algorithm} have no parameters.`);
}

function attributeOfKey({ algorithm, curve, bits }: KeyRequirement): AttrOrOid {
  if (curve !== undefined) return attribute(algorithm, [encoding("curve", () => der.objectIdentifier(curve))]);
  return attribute(algorithm, bits === undefined ? [] : [encoding("size of a key", () => der.integer(bits))]);
}

function signatureAlgorithmOf({ kind, type }: AttrOrOid): SignatureAlgorithm | undefined {
  return kind === "oid" ? signatureTypes.find(([known]) => known === type)?.[1] : undefined;
}

/** The examples of RFC 9908 ask for a serial number in the subject by its bare type. */
function nameAttributeOf(element: AttrOrOid): NameAttributeTemplate | undefined {
  const { type } = element;
  if (!nameTypes.has(type)) return undefined;
  const [value, another] = element.kind === "attribute" ? element.values : [];
  if (another !== undefined) throw new DerError("bad-value", `Attribute ${type} has more than one value.`);
  return value === undefined ? { type } : { type, value };
}

function oid(type: string): AttrOrOid {
  return { kind: "oid", type };
}

function attribute(type: string, values: readonly Uint8Array[]): AttrOrOid {
  return { kind: "attribute", type, values };
}

const knownKeyTypes: ReadonlySet<string> = new Set(Object.values(keyTypes));
const nameTypes: ReadonlySet<string> = new Set(Object.values(attributeTypes));

/** Those that need no parameters (RFC 5758 3.2, RFC 4055 5). Ed25519 is a type of key as well, and stands there. */
const signatureTypes: readonly (readonly [type: string, algorithm: SignatureAlgorithm])[] = [
  ["1.2.840.10045.4.3.2", signatureAlgorithms.ecdsaWithSha256],
  ["1.2.840.10045.4.3.3", signatureAlgorithms.ecdsaWithSha384],
  ["1.2.840.10045.4.3.4", signatureAlgorithms.ecdsaWithSha512],
  ["1.2.840.113549.1.1.11", signatureAlgorithms.sha256WithRsa],
  ["1.2.840.113549.1.1.12", signatureAlgorithms.sha384WithRsa],
  ["1.2.840.113549.1.1.13", signatureAlgorithms.sha512WithRsa],
];

/** Nobody makes a key of this size; what is larger is no size. */
const mostBits = 65_536;
