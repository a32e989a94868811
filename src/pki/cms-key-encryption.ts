import { hex } from "../core/bytes.ts";
import type { DigestName } from "../crypto/digest.ts";
import { deriveX963 } from "../crypto/key-agreement.ts";
import type { KeyTransportScheme } from "../crypto/key-transport.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import { digestIdentifier, digestNameOf } from "./cms-digest.ts";
import { CmsError } from "./cms-errors.ts";

/** AES key wrap for contents' keys (RFC 3565 2.3.2). */
export type KeyWrapName = "aes128-wrap" | "aes192-wrap" | "aes256-wrap";

/** Octets of the key-encryption key of a key-wrap AlgorithmIdentifier in DER; throws CmsError `unsupported-algorithm`. */
export function keyWrapLengthOf(identifier: Uint8Array): number {
  const length = keyWrapLengths.get(hex(identifier));
  if (length === undefined) throw unsupported("The key is not wrapped with AES key wrap.");
  return length;
}

/** A key-wrap AlgorithmIdentifier in DER. RFC 3565 2.3.2: without parameters. */
export function keyWrapIdentifier(name: KeyWrapName): Uint8Array {
  return der.sequence([der.objectIdentifier(keyWraps[name].oid)]);
}

/** The key-wrap algorithm for a key-encryption key of so many octets; undefined when AES has no such keys. */
export function keyWrapNameFor(length: number): KeyWrapName | undefined {
  return keyWrapNames.find((name) => keyWraps[name].keyLength === length);
}

/** The scheme of a key transport's keyEncryptionAlgorithm in DER; throws CmsError `unsupported-algorithm`, or DerError. */
export function keyTransportSchemeOf(identifier: Uint8Array): KeyTransportScheme {
  return decodeDer(identifier, (reader) =>
    reader.sequence((content) => {
      const oid = content.objectIdentifier();
      if (oid === rsaesOaep) return { kind: "RSAES-OAEP", hash: content.done ? "sha1" : readOaepHash(content) };
      if (oid !== rsaEncryption) throw unsupported("The key is not encrypted with RSAES-OAEP or RSAES-PKCS1-v1_5.");
      if (!content.done) content.null();
      return { kind: "RSAES-PKCS1-v1_5" };
    }),
  );
}

/** A key transport's keyEncryptionAlgorithm in DER. */
export function keyTransportIdentifier(scheme: KeyTransportScheme): Uint8Array {
  if (scheme.kind === "RSAES-PKCS1-v1_5") return der.sequence([der.objectIdentifier(rsaEncryption), der.nullValue()]);
  // RFC 4055 4.1: SHA-1 is the DEFAULT of both fields.
  if (scheme.hash === "sha1") return der.sequence([der.objectIdentifier(rsaesOaep), der.sequence([])]);
  const hash = digestIdentifier(scheme.hash);
  const mask = der.sequence([der.objectIdentifier(mgf1), hash]);
  return der.sequence([der.objectIdentifier(rsaesOaep), der.sequence([der.explicit(0, hash), der.explicit(1, mask)])]);
}

/** What a key agreement's keyEncryptionAlgorithm says (RFC 5753 7.1.4). */
export interface KeyAgreementParameters {
  readonly digestName: DigestName;
  /** AlgorithmIdentifier in DER, as received: the derived key depends on its octets. */
  readonly keyWrap: Uint8Array;
}

/** The parameters of a key agreement's keyEncryptionAlgorithm in DER; throws CmsError `unsupported-algorithm`, or DerError. */
export function keyAgreementOf(identifier: Uint8Array): KeyAgreementParameters {
  return decodeDer(identifier, (reader) =>
    reader.sequence((content) => {
      const digestName = keyAgreements.get(content.objectIdentifier());
      if (digestName === undefined) throw unsupported("The key agreement is not dhSinglePass-stdDH with SHA-2.");
      return { digestName, keyWrap: content.raw(tags.sequence) };
    }),
  );
}

/** dhSinglePass-stdDH-sha256kdf-scheme in DER, with a key-wrap AlgorithmIdentifier in DER. */
export function keyAgreementIdentifier(keyWrap: Uint8Array): Uint8Array {
  return der.sequence([der.objectIdentifier(stdDhSha256Kdf), keyWrap]);
}

/** The key-encryption key of `length` octets that a key agreement makes (RFC 5753 7.2); `ukm` as in the message. */
export function derivedKeyEncryptionKey(
  { digestName, keyWrap }: KeyAgreementParameters,
  length: number,
  sharedSecret: Uint8Array,
  ukm: Uint8Array | undefined,
): Uint8Array {
  const bits = Buffer.alloc(4);
  bits.writeUInt32BE(length * 8);
  const sharedInfo = der.sequence([
    keyWrap,
    ...(ukm === undefined ? [] : [der.explicit(0, der.octetString(ukm))]),
    der.explicit(2, der.octetString(bits)),
  ]);
  return deriveX963(digestName, sharedSecret, sharedInfo, length);
}

/** RFC 4055 4.1: RSAES-OAEP-params. */
function readOaepHash(reader: DerReader): DigestName | "sha1" {
  return reader.sequence((content) => {
    const hash = content.has(contextConstructed(0))
      ? content.explicit(0, (inner) => oaepHash(inner.raw(tags.sequence)))
      : "sha1";
    const maskHash = content.has(contextConstructed(1)) ? content.explicit(1, readMaskHash) : "sha1";
    const label = content.has(contextConstructed(2)) ? content.explicit(2, readLabel) : new Uint8Array();
    if (maskHash !== hash || label.length > 0)
      throw unsupported("RSAES-OAEP with two hashes, or with a label, is not supported.");
    return hash;
  });
}

function readMaskHash(reader: DerReader): DigestName | "sha1" {
  return reader.sequence((mask) => {
    if (mask.objectIdentifier() !== mgf1) throw unsupported("RSAES-OAEP with another mask than MGF1 is not supported.");
    return oaepHash(mask.raw(tags.sequence));
  });
}

function readLabel(reader: DerReader): Uint8Array {
  return reader.sequence((source) => {
    source.objectIdentifier();
    return source.octetString();
  });
}

/** What OAEP asks of its hash SHA-1 still gives, and it is the default that other writers leave in place. */
function oaepHash(identifier: Uint8Array): DigestName | "sha1" {
  return sha1Identifiers.has(hex(identifier)) ? "sha1" : digestNameOf(identifier);
}

function unsupported(message: string): CmsError {
  return new CmsError("unsupported-algorithm", message);
}

const rsaEncryption = "1.2.840.113549.1.1.1";
const rsaesOaep = "1.2.840.113549.1.1.7";
const mgf1 = "1.2.840.113549.1.1.8";
const sha1Identifiers: ReadonlySet<string> = new Set(["300706052b0e03021a", "300906052b0e03021a0500"]);

/** RFC 5753 7.1.4. */
const stdDhSha256Kdf = "1.3.132.1.11.1";
const keyAgreements: ReadonlyMap<string, DigestName> = new Map([
  [stdDhSha256Kdf, "sha256"],
  ["1.3.132.1.11.2", "sha384"],
  ["1.3.132.1.11.3", "sha512"],
]);

const keyWraps: Readonly<Record<KeyWrapName, { readonly oid: string; readonly keyLength: number }>> = {
  "aes128-wrap": { oid: "2.16.840.1.101.3.4.1.5", keyLength: 16 },
  "aes192-wrap": { oid: "2.16.840.1.101.3.4.1.25", keyLength: 24 },
  "aes256-wrap": { oid: "2.16.840.1.101.3.4.1.45", keyLength: 32 },
};
const keyWrapNames = ["aes128-wrap", "aes192-wrap", "aes256-wrap"] as const;

/** RFC 3565 2.3.2 leaves the parameters out; some writers put NULL there. */
const keyWrapLengths: ReadonlyMap<string, number> = new Map(
  Object.values(keyWraps).flatMap(({ oid, keyLength }) => [
    [hex(der.sequence([der.objectIdentifier(oid)])), keyLength] as const,
    [hex(der.sequence([der.objectIdentifier(oid), der.nullValue()])), keyLength] as const,
  ]),
);
