import { view } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { oidText } from "./oid.ts";
import { textOf } from "./strings.ts";
import { contextConstructed, tags } from "./tags.ts";
import { timeOf } from "./time.ts";

/** One element as it was received: views of the same memory, nothing copied. */
export interface DerElement {
  /** Identifier octet: class, constructed bit and tag number. */
  readonly tag: number;
  /** Identifier, length and content octets. */
  readonly raw: Uint8Array;
  readonly content: Uint8Array;
}

export interface BitString {
  readonly bytes: Uint8Array;
  /** How many bits of the last octet do not count, 0 to 7; they are zero (X.690 11.2.1). */
  readonly unusedBits: number;
}

/**
 * Decodes `bytes` as exactly one structure: `read` takes its elements from the reader, and whatever it leaves is an error.
 * Throws DerError. Elements taken with `any` are checked for tag and length only, not inside.
 */
export function decodeDer<T>(
  bytes: Uint8Array,
  read: (reader: DerReader) => T,
  maximumLength: number = defaultMaximumLength,
): T {
  if (bytes.length > maximumLength)
    throw new DerError("too-large", `DER of ${bytes.length} octets exceeds the limit of ${maximumLength}.`);
  return readAll(new DerReader(view(bytes), 0, bytes.length, 0), read);
}

/**
 * A cursor over elements of strict DER (X.690 10, 11). Its methods throw DerError. It does not check that a SET OF is
 * sorted: signed structures with unsorted sets are in circulation, and they are never encoded again.
 */
export class DerReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  readonly #depth: number;
  #offset: number;

  constructor(bytes: Buffer, start: number, end: number, depth: number) {
    if (depth > maximumDepth) throw new DerError("too-deep", `DER is nested deeper than ${maximumDepth} levels.`);
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
    this.#depth = depth;
  }

  /** True when no element is left. */
  get done(): boolean {
    return this.#offset === this.#end;
  }

  /** Whether there is a next element and it has this identifier octet. */
  has(tag: number): boolean {
    return this.#offset < this.#end && this.#bytes[this.#offset] === tag;
  }

  /** The next element, whatever its type. */
  any(): DerElement {
    const start = this.#offset;
    const content = this.#next();
    return {
      tag: this.#bytes[start] ?? 0,
      raw: this.#bytes.subarray(start, this.#offset),
      content: this.#bytes.subarray(content, this.#offset),
    };
  }

  /** The next element, which must have this identifier octet, header included. */
  raw(tag: number): Uint8Array {
    this.#expect(tag);
    const start = this.#offset;
    this.#next();
    return this.#bytes.subarray(start, this.#offset);
  }

  /** The content octets of the next element, which must have this identifier octet. */
  content(tag: number): Uint8Array {
    this.#expect(tag);
    const content = this.#next();
    return this.#bytes.subarray(content, this.#offset);
  }

  /** Reads into the next element, which must have this identifier octet and must be read to its end. */
  constructed<T>(tag: number, read: (content: DerReader) => T): T {
    this.#expect(tag);
    const content = this.#next();
    return readAll(new DerReader(this.#bytes, content, this.#offset, this.#depth + 1), read);
  }

  /** Reads into a SEQUENCE. */
  sequence<T>(read: (content: DerReader) => T): T {
    return this.constructed(tags.sequence, read);
  }

  /** Reads into a SET. */
  set<T>(read: (content: DerReader) => T): T {
    return this.constructed(tags.set, read);
  }

  /** Reads into an element with EXPLICIT context tag `number`. */
  explicit<T>(number: number, read: (content: DerReader) => T): T {
    return this.constructed(contextConstructed(number), read);
  }

  /** Reads a SEQUENCE OF (or, by its tag, a SET OF or an IMPLICIT one) of at most `maximum` items. */
  listOf<T>(read: (item: DerReader) => T, maximum: number, tag: number = tags.sequence): T[] {
    return this.constructed(tag, (content) => {
      const items: T[] = [];
      while (!content.done) {
        if (items.length === maximum)
          throw new DerError("too-many-items", `DER list has more than ${maximum} items.`, {
            details: { offset: content.#offset },
          });
        items.push(read(content));
      }
      return items;
    });
  }

  boolean(): boolean {
    const content = this.content(tags.boolean);
    // X.690 11.1: TRUE is ff, nothing else.
    if (content.length !== 1 || (content[0] !== 0x00 && content[0] !== 0xff)) throw this.#badValue("BOOLEAN");
    return content[0] === 0xff;
  }

  /** The content octets of an INTEGER: two's complement, most significant first, as short as it can be. */
  integer(tag: number = tags.integer): Uint8Array {
    const content = this.content(tag);
    const [first, second] = content;
    if (first === undefined) throw this.#badValue("INTEGER");
    // X.690 8.3.2: the first nine bits are neither all zero nor all one.
    if (second !== undefined && ((first === 0x00 && second < 0x80) || (first === 0xff && second >= 0x80)))
      throw this.#badValue("INTEGER");
    return content;
  }

  /** An INTEGER from 0 to `maximum`, which is below 2^31. */
  smallInteger(maximum: number, tag: number = tags.integer): number {
    const content = this.integer(tag);
    const value = content.length > 4 ? -1 : view(content).readIntBE(0, content.length);
    if (value < 0 || value > maximum)
      throw new DerError("bad-value", `DER INTEGER is not from 0 to ${maximum}.`, {
        details: { offset: this.#offset },
      });
    return value;
  }

  null(): void {
    if (this.content(tags.null).length !== 0) throw this.#badValue("NULL");
  }

  /** An OBJECT IDENTIFIER in dotted form. */
  objectIdentifier(tag: number = tags.objectIdentifier): string {
    return oidText(this.content(tag));
  }

  octetString(tag: number = tags.octetString): Uint8Array {
    return this.content(tag);
  }

  bitString(tag: number = tags.bitString): BitString {
    const content = this.content(tag);
    const unusedBits = content[0];
    const last = content.length > 1 ? (content[content.length - 1] ?? 0) : 0;
    // X.690 8.6.2.2 and 11.2.1.
    if (unusedBits === undefined || unusedBits > 7 || (content.length === 1 && unusedBits !== 0))
      throw this.#badValue("BIT STRING");
    if ((last & ((1 << unusedBits) - 1)) !== 0) throw this.#badValue("BIT STRING");
    return { bytes: content.subarray(1), unusedBits };
  }

  /** The octets of a BIT STRING that must have no unused bits: keys and signatures. */
  octetsOfBitString(tag: number = tags.bitString): Uint8Array {
    const { bytes, unusedBits } = this.bitString(tag);
    if (unusedBits !== 0) throw this.#badValue("BIT STRING");
    return bytes;
  }

  /** A string of the type with this universal tag. */
  text(type: number, tag: number = type): string {
    return textOf(type, this.content(tag));
  }

  /** Milliseconds since 1970-01-01 UTC of a Time: UTCTime or GeneralizedTime in the forms of RFC 5280 4.1.2.5. */
  time(): number {
    const { tag, content } = this.any();
    return timeOf(tag, content);
  }

  /** Goes behind the next element, and tells where its content begins. */
  #next(): number {
    const start = this.#offset;
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f)
      throw new DerError("high-tag", "DER with a tag number above 30 is not supported.", {
        details: { offset: start },
      });
    if (tag === 0x00)
      throw new DerError("unexpected-tag", "DER has end-of-contents octets.", { details: { offset: start } });
    const length = this.#length();
    const content = this.#offset;
    if (length > this.#end - content)
      throw new DerError("truncated", "DER element is longer than what holds it.", {
        details: { offset: start, length },
      });
    this.#offset = content + length;
    return content;
  }

  #length(): number {
    const first = this.#octet();
    if (first < 0x80) return first;
    const details = { offset: this.#offset - 1 };
    if (first === 0x80) throw new DerError("indefinite-length", "DER has an indefinite length.", { details });
    const count = first & 0x7f;
    if (count > 4) throw new DerError("too-large", "DER element has a length above 2^32.", { details });
    let length = 0;
    for (let i = 0; i < count; i += 1) length = length * 0x100 + this.#octet();
    if (length < 0x80 || length < 0x100 ** (count - 1))
      throw new DerError("length-not-minimal", "DER has a length with more octets than it needs.", { details });
    return length;
  }

  #octet(): number {
    const octet = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (octet === undefined)
      throw new DerError("truncated", "DER ends within an element.", { details: { offset: this.#offset } });
    this.#offset += 1;
    return octet;
  }

  #expect(tag: number): void {
    if (this.has(tag)) return;
    const details = { offset: this.#offset, expected: tag, found: this.done ? undefined : this.#bytes[this.#offset] };
    throw new DerError("unexpected-tag", "DER has another element than expected, or none.", { details });
  }

  #badValue(type: string): DerError {
    return new DerError("bad-value", `DER ${type} is not in its one allowed form.`, {
      details: { offset: this.#offset },
    });
  }
}

function readAll<T>(reader: DerReader, read: (reader: DerReader) => T): T {
  const value = read(reader);
  if (!reader.done) throw new DerError("trailing-bytes", "DER has more elements than expected.");
  return value;
}

/** Enough for a certificate with several RSA-4096 keys' worth of extensions; containers of many certificates ask for more. */
const defaultMaximumLength = 65_536;

/** Certificates nest about 10 deep; the limit bounds the stack, not the format. */
const maximumDepth = 32;
