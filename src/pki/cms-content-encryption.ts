import {
  type ContentEncryption,
  type ContentEncryptionName,
  contentEncryptions,
} from "../crypto/content-encryption.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { CmsError } from "./cms-errors.ts";

/** What a contentEncryptionAlgorithm says. */
export interface ContentEncryptionParameters {
  readonly name: ContentEncryptionName;
  readonly mode: ContentEncryption["mode"];
  /** Octets. */
  readonly keyLength: number;
  readonly nonce: Uint8Array;
  /** Octets of the tag; 0 with CBC, which has none. */
  readonly tagLength: number;
}

/** The parameters of a contentEncryptionAlgorithm in DER; throws CmsError `unsupported-algorithm`, or DerError. */
export function contentEncryptionOf(identifier: Uint8Array): ContentEncryptionParameters {
  return decodeDer(identifier, (reader) =>
    reader.sequence((content) => {
      const oid = content.objectIdentifier();
      const name = names.get(oid);
      if (name === undefined)
        throw new CmsError("unsupported-algorithm", "The content is not encrypted with AES-128 or AES-256.", {
          details: { algorithm: oid },
        });
      const { mode, keyLength, nonceLength } = contentEncryptions[name];
      const { nonce, tagLength } = mode === "GCM" ? readGcmParameters(content) : readIv(content);
      if (nonce.length !== nonceLength)
        throw new CmsError("unsupported-algorithm", `The nonce of ${name} has not ${nonceLength} octets.`);
      return { name, mode, keyLength, nonce, tagLength };
    }),
  );
}

/** The algorithm with this identifier in dotted form; undefined when it is none of AES with 128 or 256 bits. */
export function contentEncryptionNamed(oid: string): ContentEncryptionName | undefined {
  return names.get(oid);
}

/** The identifier of an algorithm as SMIMECapabilities name it: in DER, without parameters (RFC 3565 2.4). */
export function contentEncryptionCapability(name: ContentEncryptionName): Uint8Array {
  return der.sequence([der.objectIdentifier(identifiers[name])]);
}

/** A contentEncryptionAlgorithm in DER; with GCM for tags of 16 octets. */
export function encodeContentEncryption(name: ContentEncryptionName, nonce: Uint8Array): Uint8Array {
  const iv = der.octetString(nonce);
  const parameters = contentEncryptions[name].mode === "GCM" ? der.sequence([iv, der.integer(16)]) : iv;
  return der.sequence([der.objectIdentifier(identifiers[name]), parameters]);
}

/** RFC 3565 4.1: AES-IV. */
function readIv(reader: DerReader): { readonly nonce: Uint8Array; readonly tagLength: number } {
  return { nonce: reader.octetString(), tagLength: 0 };
}

/** RFC 5084 3.2: GCMParameters. */
function readGcmParameters(reader: DerReader): { readonly nonce: Uint8Array; readonly tagLength: number } {
  return reader.sequence((content) => {
    const nonce = content.octetString();
    const tagLength = content.done ? defaultTagLength : content.smallInteger(maximumTagLength);
    if (tagLength < defaultTagLength)
      throw new CmsError("unsupported-algorithm", "The tag of AES-GCM is shorter than RFC 5084 allows.");
    return { nonce, tagLength };
  });
}

const identifiers: Readonly<Record<ContentEncryptionName, string>> = {
  "aes128-CBC": "2.16.840.1.101.3.4.1.2",
  "aes256-CBC": "2.16.840.1.101.3.4.1.42",
  "aes128-GCM": "2.16.840.1.101.3.4.1.6",
  "aes256-GCM": "2.16.840.1.101.3.4.1.46",
};

const names: ReadonlyMap<string, ContentEncryptionName> = new Map([
  [identifiers["aes128-CBC"], "aes128-CBC"],
  [identifiers["aes256-CBC"], "aes256-CBC"],
  [identifiers["aes128-GCM"], "aes128-GCM"],
  [identifiers["aes256-GCM"], "aes256-GCM"],
]);

/** RFC 5084 3.2: 12 to 16, and 12 is the DEFAULT. */
const defaultTagLength = 12;
const maximumTagLength = 16;
