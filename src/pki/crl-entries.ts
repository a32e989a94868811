import { view } from "../core/bytes.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";
import { timeOf } from "../encoding/time.ts";
import { CrlError } from "./crl-errors.ts";
import { type RevocationReason, readRevocationReason } from "./crl-reasons.ts";
import { type Extension, extensionValue, readExtensions } from "./extensions.ts";
import { crlEntryExtensionTypes } from "./oids.ts";

/** An entry of a CRL (RFC 5280 5.1.2.6, 5.3). */
export interface Revocation {
  /** Content octets of the INTEGER, as in `Certificate`. */
  readonly serialNumber: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly revocationDate: number;
  /** Undefined when the entry gives none, which means `unspecified`. */
  readonly reason?: RevocationReason;
  /** Milliseconds since 1970-01-01 UTC: when the key is believed to have been lost. */
  readonly invalidityDate?: number;
}

/**
 * The revokedCertificates of a CRL, kept as the bytes that were received: the constructor checks every entry, and an entry
 * becomes an object only when it is asked for. A million of them cost 8 MB beside their bytes. The constructor throws
 * DerError, PkiError or CrlError.
 */
export class RevokedCertificates {
  readonly count: number;
  readonly #list: Buffer;
  #index: Float64Array | undefined;

  /** `list` is the content of the SEQUENCE OF, shorter than 64 MiB. */
  constructor(list: Uint8Array) {
    if (list.length >= offsets) throw new DerError("too-large", `The list of entries has ${offsets} octets or more.`);
    this.#list = view(list);
    this.count = checkedCount(this.#list);
  }

  /** The entry for the content octets of a serial number: the first, if there are several; undefined when there is none. */
  find(serialNumber: Uint8Array): Revocation | undefined {
    this.#index ??= indexOf(this.#list, this.count);
    const wanted = hashOf(serialNumber);
    for (let at = lowerBound(this.#index, wanted * offsets); at < this.#index.length; at += 1) {
      const key = this.#index[at] ?? 0;
      if (Math.floor(key / offsets) !== wanted) break;
      const entry = this.#list.subarray(key % offsets);
      if (view(serialOf(entry)).equals(serialNumber)) return firstEntry(entry);
    }
    return undefined;
  }

  /** All entries in the order of the list, one at a time. */
  *[Symbol.iterator](): Generator<Revocation> {
    for (const offset of offsetsOf(this.#list)) yield firstEntry(this.#list.subarray(offset));
  }
}

function checkedCount(list: Buffer): number {
  let count = 0;
  const checkExtensions = entryExtensionsChecker();
  decodeDer(
    list,
    (reader) => {
      for (; !reader.done; count += 1)
        reader.sequence((entry) => {
          readSerialNumber(entry);
          entry.time();
          if (!entry.done) checkExtensions(view(entry.raw(tags.sequence)));
        });
    },
    offsets,
  );
  return count;
}

/** Nearly all entries of a list have one of a few reasons, so the same octets follow each other. */
function entryExtensionsChecker(): (raw: Buffer) => void {
  let accepted: Buffer | undefined;
  return (raw) => {
    if (accepted?.equals(raw)) return;
    readEntryExtensions(decodeDer(raw, readExtensions));
    accepted = raw;
  };
}

/** The entry at the start of `bytes`, which has been checked. */
function firstEntry(bytes: Buffer): Revocation {
  return decodeDer(bytes.subarray(0, endOfElement(bytes, 0)), (reader) =>
    reader.sequence((entry) => {
      const serialNumber = readSerialNumber(entry);
      const revocationDate = entry.time();
      return { serialNumber, revocationDate, ...(entry.done ? {} : readEntryExtensions(readExtensions(entry))) };
    }),
  );
}

/**
 * RFC 5280 4.1.2.2: at most 20 octets. It may be zero or negative: a CA has to be able to revoke what it should not have
 * issued.
 */
function readSerialNumber(reader: DerReader): Uint8Array {
  const serialNumber = reader.integer();
  if (serialNumber.length > maximumSerialOctets + (serialNumber[0] === 0 ? 1 : 0))
    throw new DerError("bad-value", "A serial number has more than 20 octets.");
  return serialNumber;
}

function readEntryExtensions(extensions: readonly Extension[]): Pick<Revocation, "reason" | "invalidityDate"> {
  for (const { type, critical } of extensions) {
    // RFC 5280 5.3.3: from here on the entries are about the certificates of somebody else.
    if (type === crlEntryExtensionTypes.certificateIssuer)
      throw new CrlError("partial-crl", "The CRL is an indirect one: it names certificates of several issuers.");
    if (critical && !processed.has(type))
      throw new CrlError("critical-extension", `An entry of the CRL has the critical extension ${type}.`, {
        details: { type },
      });
  }
  const reason = extensionValue(extensions, crlEntryExtensionTypes.reasonCode, readReason);
  const invalidityDate = extensionValue(extensions, crlEntryExtensionTypes.invalidityDate, (reader) =>
    timeOf(tags.generalizedTime, reader.content(tags.generalizedTime)),
  );
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(invalidityDate === undefined ? {} : { invalidityDate }),
  };
}

function readReason(reader: DerReader): RevocationReason {
  const reason = readRevocationReason(reader);
  // RFC 5280 5.3.1: removeFromCRL may only appear in delta CRLs.
  if (reason === "removeFromCRL")
    throw new CrlError("partial-crl", "The CRL takes an entry back, which only a delta CRL may do.");
  return reason;
}

/**
 * For each entry one number: the hash of its serial number above its offset. Sorting them bounds the time to build and to
 * search even for serial numbers that were chosen to have the same hash.
 */
function indexOf(list: Buffer, count: number): Float64Array {
  const index = new Float64Array(count);
  let at = 0;
  for (const offset of offsetsOf(list)) {
    index[at] = hashOf(serialOf(list.subarray(offset))) * offsets + offset;
    at += 1;
  }
  return index.sort();
}

function* offsetsOf(list: Buffer): Generator<number> {
  for (let offset = 0; offset < list.length; offset = endOfElement(list, offset)) yield offset;
}

function lowerBound(index: Float64Array, key: number): number {
  let low = 0;
  let high = index.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((index[middle] ?? 0) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The end of an element that has been checked. */
function endOfElement(bytes: Buffer, start: number): number {
  const first = bytes[start + 1] ?? 0;
  if (first < 0x80) return start + 2 + first;
  const count = first & 0x7f;
  return start + 2 + count + bytes.readUIntBE(start + 2, count);
}

/** The serial number of an entry that has been checked; its own length is below 128. */
function serialOf(entry: Buffer): Buffer {
  const first = entry[1] ?? 0;
  const start = first < 0x80 ? 2 : 2 + (first & 0x7f);
  return entry.subarray(start + 2, endOfElement(entry, start));
}

/** FNV-1a, of which the upper 27 bits are used: with an offset of 26 bits they fit the 53 of a number. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const octet of bytes) hash = Math.imul(hash ^ octet, 0x01000193);
  return hash >>> 5;
}

const processed: ReadonlySet<string> = new Set([
  crlEntryExtensionTypes.reasonCode,
  crlEntryExtensionTypes.invalidityDate,
]);

const offsets = 2 ** 26;
const maximumSerialOctets = 20;
