import { CryptoError } from "../crypto/errors.ts";
import type { KeyTransportScheme } from "../crypto/key-transport.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";
import { contentEncryptionCapability, contentEncryptionNamed } from "./cms-content-encryption.ts";
import { CmsError } from "./cms-errors.ts";
import {
  type KeyWrapName,
  keyAgreementIdentifier,
  keyAgreementOf,
  keyTransportIdentifier,
  keyTransportSchemeOf,
  keyWrapIdentifier,
  keyWrapLengthOf,
  keyWrapNameFor,
} from "./cms-key-encryption.ts";
import { decoding } from "./errors.ts";

/** What of SMIMECapabilities can be used here for EnvelopedData, in the order of preference that they came in. */
export interface OfferedAlgorithms {
  /** EnvelopedData has no place for the tag of GCM (RFC 5084 1). */
  readonly contentEncryptions: readonly ("aes128-CBC" | "aes256-CBC")[];
  readonly keyWraps: readonly KeyWrapName[];
  /** Key wraps below dhSinglePass-stdDH-sha256kdf-scheme (RFC 5753 7.1.4). */
  readonly keyAgreements: readonly KeyWrapName[];
  readonly keyTransports: readonly KeyTransportScheme[];
}

/**
 * Reads SMIMECapabilities in DER (RFC 8551 2.5.2); algorithms that are not known here are passed over. Throws PkiError
 * `malformed-request`.
 */
export function decodeSmimeCapabilities(bytes: Uint8Array): OfferedAlgorithms {
  const capabilities = decoding("malformed-request", "SMIMECapabilities", () =>
    decodeDer(bytes, (reader) => reader.listOf(readCapability, mostCapabilities)),
  );
  return {
    contentEncryptions: capabilities.flatMap(({ oid }) => {
      const name = contentEncryptionNamed(oid);
      return name === "aes128-CBC" || name === "aes256-CBC" ? [name] : [];
    }),
    keyWraps: capabilities.flatMap(({ raw }) => known(() => keyWrapOf(raw))),
    keyAgreements: capabilities.flatMap(({ raw }) =>
      known(() => {
        const { digestName, keyWrap } = keyAgreementOf(raw);
        return digestName === "sha256" ? keyWrapOf(keyWrap) : undefined;
      }),
    ),
    keyTransports: capabilities.flatMap(({ raw }) => known(() => keyTransportSchemeOf(raw))),
  };
}

/** SMIMECapabilities in DER that offer these algorithms. */
export function encodeSmimeCapabilities(offered: OfferedAlgorithms): Uint8Array {
  return der.sequence([
    ...offered.contentEncryptions.map(contentEncryptionCapability),
    ...offered.keyAgreements.map((name) => keyAgreementIdentifier(keyWrapIdentifier(name))),
    ...offered.keyWraps.map(keyWrapIdentifier),
    ...offered.keyTransports.map(keyTransportIdentifier),
  ]);
}

interface Capability {
  readonly oid: string;
  /** An AlgorithmIdentifier in DER, which has the same form. */
  readonly raw: Uint8Array;
}

function readCapability(reader: DerReader): Capability {
  const raw = reader.raw(tags.sequence);
  const oid = decodeDer(raw, (outer) =>
    outer.sequence((content) => {
      const capabilityID = content.objectIdentifier();
      if (!content.done) content.any();
      return capabilityID;
    }),
  );
  return { oid, raw };
}

function keyWrapOf(identifier: Uint8Array): KeyWrapName | undefined {
  return keyWrapNameFor(keyWrapLengthOf(identifier));
}

/** None when the algorithm, or its parameters, are not known here. */
function known<T>(read: () => T | undefined): readonly T[] {
  try {
    const value = read();
    return value === undefined ? [] : [value];
  } catch (error) {
    if (error instanceof CmsError || error instanceof DerError || error instanceof CryptoError) return [];
    throw error;
  }
}

/** Mail programs name about twenty. */
const mostCapabilities = 64;
