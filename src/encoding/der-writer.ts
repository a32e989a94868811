import { compare, utf8 } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { oidContent } from "./oid.ts";
import { isAscii, isPrintable } from "./strings.ts";
import { contextConstructed, contextPrimitive, tags } from "./tags.ts";
import { generalizedTimeText, timeText } from "./time.ts";

/** An element of DER with this identifier octet around `content`. */
export function element(tag: number, content: Uint8Array): Uint8Array {
  return constructed(tag, [content]);
}

/** SEQUENCE, or SEQUENCE OF, of elements. */
export function sequence(elements: readonly Uint8Array[]): Uint8Array {
  return constructed(tags.sequence, elements);
}

/** SET OF elements in the order of X.690 11.6, under another tag when it is an IMPLICIT one. */
export function setOf(elements: readonly Uint8Array[], tag: number = tags.set): Uint8Array {
  return constructed(tag, elements.length < 2 ? elements : elements.toSorted(compare));
}

/** EXPLICIT context tag `number` around an element. */
export function explicit(number: number, inner: Uint8Array): Uint8Array {
  return element(contextConstructed(number), inner);
}

/** `inner` with IMPLICIT context tag `number` in place of its own; it stays primitive or constructed. */
export function implicit(number: number, inner: Uint8Array): Uint8Array {
  const tagged = Buffer.from(inner);
  tagged[0] = ((inner[0] ?? 0) & 0x20) === 0 ? contextPrimitive(number) : contextConstructed(number);
  return tagged;
}

/** BOOLEAN. A field that is equal to its DEFAULT has to be left out by the caller (X.690 11.5). */
export function boolean(value: boolean): Uint8Array {
  return element(tags.boolean, Uint8Array.of(value ? 0xff : 0x00));
}

/** INTEGER from 0 to 2^53 - 1; throws DerError `bad-value` for any other number. */
export function integer(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new DerError("bad-value", "INTEGER is not a whole number from 0 to 2^53 - 1.");
  const digits = value.toString(16);
  return unsignedInteger(Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex"));
}

/** INTEGER whose value is the unsigned number in `magnitude`, most significant octet first; leading zeros do not matter. */
export function unsignedInteger(magnitude: Uint8Array): Uint8Array {
  let first = 0;
  while (first < magnitude.length - 1 && magnitude[first] === 0) first += 1;
  const significant = magnitude.subarray(first);
  const needsZero = magnitude.length === 0 || (significant[0] ?? 0) >= 0x80;
  return constructed(tags.integer, needsZero ? [zeroOctet, significant] : [significant]);
}

/** NULL. */
export function nullValue(): Uint8Array {
  return Uint8Array.of(tags.null, 0);
}

/** OBJECT IDENTIFIER from its dotted form, in octets that others share and nobody may change; throws DerError. */
export function objectIdentifier(dotted: string): Uint8Array {
  const known = objectIdentifiers.get(dotted);
  if (known !== undefined) return known;
  const encoded = element(tags.objectIdentifier, oidContent(dotted));
  if (objectIdentifiers.size < mostObjectIdentifiers) objectIdentifiers.set(dotted, encoded);
  return encoded;
}

/** OCTET STRING. */
export function octetString(bytes: Uint8Array): Uint8Array {
  return element(tags.octetString, bytes);
}

/** BIT STRING of whole octets. */
export function bitString(bytes: Uint8Array): Uint8Array {
  return constructed(tags.bitString, [zeroOctet, bytes]);
}

/** BIT STRING of a type with named bits: the numbers of the bits that are set, without trailing zero bits (X.690 11.2.2). */
export function namedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const bytes = new Uint8Array(Math.ceil((highest + 1) / 8));
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  const unusedBits = bytes.length * 8 - (highest + 1);
  return constructed(tags.bitString, [Uint8Array.of(unusedBits), bytes]);
}

/** UTF8String; throws DerError `bad-value` for text with a lone surrogate. */
export function utf8String(text: string): Uint8Array {
  if (!text.isWellFormed()) throw new DerError("bad-value", "UTF8String cannot hold a lone surrogate.");
  return element(tags.utf8String, utf8(text));
}

/** PrintableString; throws DerError `bad-value` for text outside its 74 characters. */
export function printableString(text: string): Uint8Array {
  if (!isPrintable(text)) throw new DerError("bad-value", "PrintableString cannot hold all characters of this text.");
  return element(tags.printableString, utf8(text));
}

/** IA5String; throws DerError `bad-value` for text that is not ASCII. */
export function ia5String(text: string): Uint8Array {
  if (!isAscii(text)) throw new DerError("bad-value", "IA5String holds ASCII only.");
  return element(tags.ia5String, utf8(text));
}

/** Time of RFC 5280 4.1.2.5: UTCTime through 2049, then GeneralizedTime. Fractions of a second are dropped; throws DerError. */
export function time(milliseconds: number): Uint8Array {
  const { tag, text } = timeText(milliseconds);
  return element(tag, utf8(text));
}

/** GeneralizedTime in every year, where a type has no choice of UTCTime. Fractions of a second are dropped; throws DerError. */
export function generalizedTime(milliseconds: number): Uint8Array {
  return element(tags.generalizedTime, utf8(generalizedTimeText(milliseconds)));
}

/** All parts behind one header, in one allocation. */
function constructed(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const octetsOfLength = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
  const bytes = Buffer.allocUnsafe(2 + octetsOfLength + length);
  bytes[0] = tag;
  bytes[1] = octetsOfLength === 0 ? length : 0x80 | octetsOfLength;
  for (let i = octetsOfLength, rest = length; i > 0; i -= 1, rest = Math.floor(rest / 0x100))
    bytes[1 + i] = rest & 0xff;
  let offset = 2 + octetsOfLength;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** In front of a positive INTEGER with its highest bit set, and of a BIT STRING without unused bits. */
const zeroOctet = Uint8Array.of(0);

/** The few that are written again and again; strangers who ask for others can fill it, which costs time and nothing else. */
const objectIdentifiers = new Map<string, Uint8Array>();
const mostObjectIdentifiers = 256;
