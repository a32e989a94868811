import { equal, hex, utf8 } from "../core/bytes.ts";
import { type DerElement, type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { isStringType, textOf } from "../encoding/strings.ts";
import { tags } from "../encoding/tags.ts";
import { decoding, encoding } from "./errors.ts";
import { attributeTypes } from "./oids.ts";

/** A distinguished name (RFC 5280 4.1.2.4) with the bytes that were received. */
export class Name {
  readonly raw: Uint8Array;
  readonly relativeDistinguishedNames: readonly (readonly AttributeTypeAndValue[])[];
  #normalised: string | undefined;
  #folded: readonly FoldedRdn[] | undefined;

  constructor(raw: Uint8Array, relativeDistinguishedNames: readonly (readonly AttributeTypeAndValue[])[]) {
    this.raw = raw;
    this.relativeDistinguishedNames = relativeDistinguishedNames;
  }

  /** Equal for two names that RFC 5280 7.1 takes for the same; see `equalNames`. */
  get normalised(): string {
    this.#normalised ??= JSON.stringify(
      this.relativeDistinguishedNames.map((rdn) => rdn.map(normalisedAttribute).sort()),
    );
    return this.#normalised;
  }

  /** What `mayBeWithin` compares. */
  get folded(): readonly FoldedRdn[] {
    this.#folded ??= this.relativeDistinguishedNames.map(foldedRdn);
    return this.#folded;
  }
}

/** A RelativeDistinguishedName as a reader sees it who takes much for the same. */
interface FoldedRdn {
  readonly types: string;
  /** Undefined when the text of one of them is not known. */
  readonly texts: string | undefined;
}

export interface AttributeTypeAndValue {
  /** In dotted form. */
  readonly type: string;
  readonly value: DerElement;
  /** Undefined when the value is no string. */
  readonly text: string | undefined;
}

/** Parses a Name in DER; throws PkiError `malformed-name`. It does not hold attributes to their upper bounds (RFC 5280 A.1). */
export function parseName(bytes: Uint8Array): Name {
  return decoding("malformed-name", "name", () => decodeDer(bytes, readName));
}

/** Reads a Name as part of something larger; throws DerError. */
export function readName(reader: DerReader): Name {
  const raw = reader.raw(tags.sequence);
  const relativeDistinguishedNames = decodeDer(raw, (name) =>
    name.listOf((rdn) => rdn.listOf(readAttribute, maximumAttributes, tags.set), maximumAttributes),
  );
  return new Name(raw, relativeDistinguishedNames);
}

/** Whether a name has no attribute at all: such a subject is named by its subjectAltName alone. */
export function isEmptyName(name: Name): boolean {
  return name.relativeDistinguishedNames.length === 0;
}

/** The text of the only attribute of this type; undefined when there is none, when there are several, or when it is no string. */
export function attribute(name: Name, type: string): string | undefined {
  const found = name.relativeDistinguishedNames.flat().filter((candidate) => candidate.type === type);
  return found.length === 1 ? found[0]?.text : undefined;
}

/**
 * Whether two names are the same: by their bytes, or by RFC 5280 7.1 as far as folding case and white space of PrintableString
 * and UTF8String goes, and of domainComponent (7.3). It does not do the whole string preparation of RFC 4518, and compares values of
 * more than 256 characters by their bytes, so rare equal names are told apart.
 */
export function equalNames(a: Name, b: Name): boolean {
  return equal(a.raw, b.raw) || (isOfShape(a, b) && a.normalised === b.normalised);
}

/** Whether a name is `base` or below it: begins with the same RDNs, compared as by `equalNames`. */
export function isNameWithin(name: Name, base: Name): boolean {
  if (isEmptyName(base)) return true;
  // Both are JSON of arrays, which no element can leave: what follows the last RDN of the base is the next one or the end.
  const opening = base.normalised.slice(0, -1);
  return name.normalised.startsWith(opening) && /[,\]]/.test(name.normalised.charAt(opening.length));
}

/**
 * Whether some reader could take a name for `base` or one below it, which is true of all that `isNameWithin` says it of. Here
 * the string type does not matter, nor what RFC 4518 2.2 maps to nothing, and a value without a text, or with one too long to be
 * compared, may have any. For exclusions alone: it vouches for nothing.
 */
export function mayBeWithin(name: Name, base: Name): boolean {
  return base.folded.every(({ types, texts }, depth) => {
    const own = name.folded[depth];
    if (own === undefined || own.types !== types) return false;
    return own.texts === texts || own.texts === undefined || texts === undefined;
  });
}

/**
 * The text form of RFC 4514, the most specific attribute first. Control and format characters are escaped as well, so that a
 * name in a log shows what it holds.
 */
export function formatName(name: Name): string {
  return name.relativeDistinguishedNames
    .map((rdn) => rdn.map(formatAttribute).join("+"))
    .reverse()
    .join(",");
}

/** An attribute to encode: a type of `oids.ts` in dotted form and its text. */
export interface NameAttribute {
  readonly type: string;
  readonly value: string;
}

/**
 * A Name in DER of one attribute per RDN, the least specific first. The string type is the one that the attribute's
 * specification demands, or else UTF8String. Throws PkiError `unencodable`.
 */
export function encodeName(attributes: readonly NameAttribute[]): Uint8Array {
  return encoding("name", () =>
    der.sequence(
      attributes.map(({ type, value }) =>
        der.setOf([der.sequence([der.objectIdentifier(type), encodeText(type, value)])]),
      ),
    ),
  );
}

function readAttribute(reader: DerReader): AttributeTypeAndValue {
  return reader.sequence((content) => {
    const type = content.objectIdentifier();
    const value = content.any();
    return { type, value, text: isStringType(value.tag) ? textOf(value.tag, value.content) : undefined };
  });
}

function isOfShape({ relativeDistinguishedNames: a }: Name, { relativeDistinguishedNames: b }: Name): boolean {
  return a.length === b.length && a.every((rdn, depth) => rdn.length === b[depth]?.length);
}

function normalisedAttribute({ type, value, text }: AttributeTypeAndValue): string {
  const folds = value.tag === tags.printableString || value.tag === tags.utf8String || type === domainComponent;
  if (!isComparable(text) || !folds) return `${type}#${hex(value.raw)}`;
  return `${type}=${compatible(text).toLowerCase().trim().replace(whiteSpace, " ")}`;
}

function foldedRdn(rdn: readonly AttributeTypeAndValue[]): FoldedRdn {
  const types = rdn.map(({ type }) => type).sort();
  if (!rdn.every(({ text }) => isComparable(text))) return { types: types.join(), texts: undefined };
  const texts = rdn.map(({ type, text = "" }) => `${type}=${foldedText(text)}`).sort();
  return { types: types.join(), texts: JSON.stringify(texts) };
}

/** RFC 4518 2.2 to 2.6.1; both cases in turn fold `ß` and `ẞ` to `SS`, and all forms of sigma to one (RFC 3454 B.2). */
function foldedText(text: string): string {
  const mapped = compatible(compatible(text).toLowerCase().toUpperCase());
  return mapped.replace(whiteSpace, " ").replace(insignificant, "").replace(/ +/g, " ").trim();
}

function isComparable(text: string | undefined): text is string {
  return text !== undefined && text.length <= longestComparable;
}

/** RFC 4518 2.3. */
function compatible(text: string): string {
  return ascii.test(text) ? text : text.normalize("NFKC");
}

function formatAttribute({ type, value, text }: AttributeTypeAndValue): string {
  const keyword = keywords.get(type);
  // RFC 4514 2.4: a type in dotted form, and a value without a string form, is written as its BER.
  if (keyword === undefined || text === undefined) return `${keyword ?? type}=#${hex(value.raw)}`;
  const escaped = text.replace(/["+,;<>\\]|^[ #]| $/g, "\\$&").replace(/[\p{Cc}\p{Cf}]/gu, escapedOctets);
  return `${keyword}=${escaped}`;
}

function escapedOctets(character: string): string {
  return hex(utf8(character)).replace(/../g, "\\$&");
}

function encodeText(type: string, text: string): Uint8Array {
  if (printableTypes.has(type)) return der.printableString(text);
  if (asciiTypes.has(type)) return der.ia5String(text);
  // RFC 5280 4.1.2.4: one type for all other values, so that the same text has the same bytes everywhere.
  return der.utf8String(text);
}

/**
 * Sorting a run of combining marks takes the square of its length (UAX #15), and names come from strangers. RFC 5280 A.1 bounds the
 * attributes at 128 characters and less, but for name at 32768.
 */
const longestComparable = 256;

/** Normalisation leaves these as they are. */
const ascii = /^[\0-\x7f]*$/;

/** What RFC 4518 2.2 maps to a space. */
const whiteSpace = /[\t-\r\x85\p{Z}]+/gu;

/** What RFC 4518 2.2 maps to nothing, and all else that is not seen. */
const insignificant = /[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\ufffc]/gu;

const { domainComponent } = attributeTypes;

/** RFC 5280 A.1 fixes these to PrintableString. */
const printableTypes: ReadonlySet<string> = new Set([
  attributeTypes.countryName,
  attributeTypes.serialNumber,
  attributeTypes.dnQualifier,
]);

/** RFC 5280 A.1 fixes these to IA5String. */
const asciiTypes: ReadonlySet<string> = new Set([domainComponent, attributeTypes.emailAddress]);

/** RFC 4514 3 and the IANA registry of LDAP parameters; emailAddress as everybody writes it. */
const keywords: ReadonlyMap<string, string> = new Map<string, string>([
  [attributeTypes.commonName, "CN"],
  [attributeTypes.surname, "sn"],
  [attributeTypes.serialNumber, "serialNumber"],
  [attributeTypes.countryName, "C"],
  [attributeTypes.localityName, "L"],
  [attributeTypes.stateOrProvinceName, "ST"],
  [attributeTypes.streetAddress, "STREET"],
  [attributeTypes.organizationName, "O"],
  [attributeTypes.organizationalUnitName, "OU"],
  [attributeTypes.title, "title"],
  [attributeTypes.givenName, "givenName"],
  [attributeTypes.dnQualifier, "dnQualifier"],
  [attributeTypes.pseudonym, "pseudonym"],
  [domainComponent, "DC"],
  [attributeTypes.userId, "UID"],
  [attributeTypes.emailAddress, "emailAddress"],
]);

/** Names in use have about ten attributes. */
const maximumAttributes = 32;
