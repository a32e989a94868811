import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { type AttrOrOid, encodeTemplateAttribute, readTemplateAttribute } from "./csr-attributes.ts";
import { PkiError } from "./errors.ts";
import { type Extension, encodeExtensions, readDefaultFalse, readExtensions } from "./extensions.ts";
import { isEmptyName } from "./name.ts";
import { extensionTypes, keyTypes, requestAttributes, templateAttributes } from "./oids.ts";
import { subjectAltNameOf } from "./standard-extensions.ts";

/** A key that a request is to be for. */
export interface KeyRequirement {
  /** Type of the key (RFC 3279 2.3, RFC 8410 3) in dotted form. */
  readonly algorithm: string;
  /** The namedCurve in dotted form; undefined when any will do, or the type has none. */
  readonly curve?: string;
  /** Size of an RSA modulus; undefined when any will do. */
  readonly bits?: number;
}

/** An attribute of a name (SingleAttributeTemplate); `value`, in DER, is left to the client when it is absent. */
export interface NameAttributeTemplate {
  readonly type: string;
  readonly value?: Uint8Array;
}

/** An extension of a request; `value` is left to the client when it is absent. */
export interface ExtensionTemplate {
  readonly type: string;
  readonly critical: boolean;
  readonly value?: Uint8Array;
}

/** A CertificationRequestInfoTemplate (RFC 9908 3.4). */
export interface RequestTemplate {
  readonly subject: readonly (readonly NameAttributeTemplate[])[];
  readonly key?: KeyRequirement;
  readonly challengePassword: boolean;
  readonly extensions: readonly ExtensionTemplate[];
}

/** Reads a CertificationRequestInfoTemplate; throws DerError, or PkiError `duplicate-attribute` or `duplicate-extension`. */
export function readRequestTemplate(reader: DerReader): RequestTemplate {
  return reader.sequence((content) => {
    content.smallInteger(0);
    const subject = content.has(tags.sequence) ? content.listOf(readRdn, maximumItems) : [];
    const key = content.has(contextConstructed(0)) ? content.constructed(contextConstructed(0), readKey) : undefined;
    const attributes = content.listOf(readTemplateAttribute, maximumItems, contextConstructed(1));
    return {
      subject,
      ...(key === undefined ? {} : { key }),
      challengePassword: attributes.some(({ type }) => type === requestAttributes.challengePassword),
      extensions: extensionsAmong(attributes),
    };
  });
}

/** A CertificationRequestInfoTemplate in DER; throws DerError, or PkiError `unencodable` or `duplicate-extension`. */
export function encodeRequestTemplate({ subject, key, challengePassword, extensions }: RequestTemplate): Uint8Array {
  const attributes: Uint8Array[] = [];
  // RFC 9908 has no other way to leave an attribute's value to the client than the empty SET of its section 3.2.
  if (challengePassword) attributes.push(encodeTemplateAttribute(requestAttributes.challengePassword, []));
  if (extensions.length > 0) attributes.push(encodeExtensionAttribute(extensions));
  return der.sequence([
    der.integer(0),
    ...(subject.length === 0 ? [] : [der.sequence(subject.map((rdn) => der.setOf(rdn.map(encodeNameAttribute))))]),
    ...(key === undefined ? [] : [der.implicit(0, encodeKey(key))]),
    der.setOf(attributes, contextConstructed(1)),
  ]);
}

/**
 * The extensions that an extensionRequest or an extensionReqTemplate among attributes asks for. Throws DerError, or PkiError
 * `duplicate-attribute` when there are two of them (RFC 9908 3.4).
 */
export function extensionsAmong(
  attributes: readonly (AttrOrOid & { readonly kind: "attribute" })[],
): readonly ExtensionTemplate[] {
  const [found, second] = attributes.filter(({ type }) => extensionAttributes.has(type));
  if (found === undefined) return [];
  if (second !== undefined)
    throw new PkiError("duplicate-attribute", "Extensions are asked for by more than one attribute.", {
      details: { type: second.type },
    });
  // The example of RFC 7030 4.5.2 has an OBJECT IDENTIFIER here, which RFC 9908 calls wrong: it asks for nothing that is known.
  if (found.values.every((value) => value[0] === tags.objectIdentifier)) return [];
  const [value, another] = found.values;
  if (value === undefined || another !== undefined)
    throw new DerError("bad-value", `Attribute ${found.type} has not exactly one value.`);
  return decodeDer(value, found.type === requestAttributes.extensionRequest ? readExtensions : readTemplates);
}

/** Whether nothing of an extension is left to the client: then it stands in an extensionRequest (RFC 9908 3.4). */
export function isComplete(extension: ExtensionTemplate): extension is Extension {
  const { type, critical, value } = extension;
  if (value === undefined) return false;
  if (type !== extensionTypes.subjectAltName) return true;
  return !(subjectAltNameOf([{ type, critical, value }]) ?? []).some(
    (name) =>
      (name.kind === "iPAddress" && name.address.length === 0) ||
      (name.kind === "directoryName" && isEmptyName(name.name)),
  );
}

function readRdn(reader: DerReader): readonly NameAttributeTemplate[] {
  return reader.listOf(
    (item) =>
      item.sequence((content) => {
        const type = content.objectIdentifier();
        return content.done ? { type } : { type, value: content.any().raw };
      }),
    maximumItems,
    tags.set,
  );
}

function encodeNameAttribute({ type, value }: NameAttributeTemplate): Uint8Array {
  return der.sequence([der.objectIdentifier(type), ...(value === undefined ? [] : [value])]);
}

function readKey(content: DerReader): KeyRequirement {
  const { algorithm, curve } = content.sequence((identifier) => {
    const type = identifier.objectIdentifier();
    if (type === keyTypes.ecPublicKey && identifier.has(tags.objectIdentifier))
      return { algorithm: type, curve: identifier.objectIdentifier() };
    if (!identifier.done) identifier.any();
    return { algorithm: type, curve: undefined };
  });
  if (content.done) return { algorithm, ...(curve === undefined ? {} : { curve }) };
  const placeholder = content.octetsOfBitString();
  if (algorithm !== keyTypes.rsaEncryption)
    throw new DerError("bad-value", "Only an RSA key has a placeholder, which tells its size.");
  return { algorithm, bits: decodeDer(placeholder, readModulusBits) };
}

function encodeKey({ algorithm, curve, bits }: KeyRequirement): Uint8Array {
  const type = der.objectIdentifier(algorithm);
  if (algorithm !== keyTypes.rsaEncryption)
    return der.sequence([der.sequence([type, ...(curve === undefined ? [] : [der.objectIdentifier(curve)])])]);
  return der.sequence([der.sequence([type, der.nullValue()]), ...(bits === undefined ? [] : [placeholderOf(bits)])]);
}

/** A modulus of the right size that is nobody's: its highest and its lowest bit. */
function placeholderOf(bits: number): Uint8Array {
  const modulus = new Uint8Array(Math.ceil(bits / 8));
  modulus[0] = 1 << ((bits - 1) % 8);
  modulus[modulus.length - 1] = (modulus[modulus.length - 1] ?? 0) | 1;
  return der.bitString(der.sequence([der.unsignedInteger(modulus), der.integer(65_537)]));
}

function readModulusBits(reader: DerReader): number {
  const modulus = reader.sequence((key) => {
    const found = key.integer();
    key.integer();
    return found;
  });
  const significant = modulus[0] === 0 ? modulus.subarray(1) : modulus;
  const [first = 0] = significant;
  if ((modulus[0] ?? 0) >= 0x80 || first === 0)
    throw new DerError("bad-value", "The placeholder's modulus is no size.");
  return significant.length * 8 - (Math.clz32(first) - 24);
}

/** The module of RFC 9908 has a list, its prose reads as if it were one of them: both are understood. */
function readTemplates(reader: DerReader): readonly ExtensionTemplate[] {
  const templates = reader.sequence((content) => {
    if (content.has(tags.objectIdentifier)) return [readTemplate(content)];
    const found: ExtensionTemplate[] = [];
    while (!content.done) {
      if (found.length === maximumItems) throw new DerError("too-many-items", "There are too many extensions.");
      found.push(content.sequence(readTemplate));
    }
    return found;
  });
  const types = new Set(templates.map(({ type }) => type));
  if (types.size < templates.length)
    throw new PkiError("duplicate-extension", "An extension is asked for more than once.");
  return templates;
}

function readTemplate(content: DerReader): ExtensionTemplate {
  const type = content.objectIdentifier();
  const critical = readDefaultFalse(content);
  return content.done ? { type, critical } : { type, critical, value: content.octetString() };
}

function encodeExtensionAttribute(extensions: readonly ExtensionTemplate[]): Uint8Array {
  if (extensions.every(isComplete))
    return encodeTemplateAttribute(requestAttributes.extensionRequest, [encodeExtensions(extensions)]);
  const types = new Set(extensions.map(({ type }) => type));
  if (types.size < extensions.length)
    throw new PkiError("duplicate-extension", "An extension is asked for more than once.");
  return encodeTemplateAttribute(templateAttributes.extensionReqTemplate, [
    der.sequence(
      extensions.map(({ type, critical, value }) =>
        der.sequence([
          der.objectIdentifier(type),
          ...(critical ? [der.boolean(true)] : []),
          ...(value === undefined ? [] : [der.octetString(value)]),
        ]),
      ),
    ),
  ]);
}

const extensionAttributes: ReadonlySet<string> = new Set([
  requestAttributes.extensionRequest,
  templateAttributes.extensionReqTemplate,
]);

/** Of RDNs, attributes and extensions; those in use are about ten each. */
const maximumItems = 64;
