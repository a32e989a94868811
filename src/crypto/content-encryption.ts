import { type CipherGCMTypes, createCipheriv, createDecipheriv } from "node:crypto";
import { concat, view } from "../core/bytes.ts";

/** AES for contents (RFC 3565, RFC 5084). */
export type ContentEncryptionName = "aes128-CBC" | "aes256-CBC" | "aes128-GCM" | "aes256-GCM";

export interface ContentEncryption {
  readonly mode: "CBC" | "GCM";
  /** Octets. */
  readonly keyLength: 16 | 32;
  /** Octets of the initialization vector or nonce. */
  readonly nonceLength: 16 | 12;
}

/** The sizes of each algorithm. */
export const contentEncryptions: Readonly<Record<ContentEncryptionName, ContentEncryption>> = {
  "aes128-CBC": { mode: "CBC", keyLength: 16, nonceLength: 16 },
  "aes256-CBC": { mode: "CBC", keyLength: 32, nonceLength: 16 },
  "aes128-GCM": { mode: "GCM", keyLength: 16, nonceLength: 12 },
  "aes256-GCM": { mode: "GCM", keyLength: 32, nonceLength: 12 },
};

export interface EncryptedContent {
  readonly ciphertext: Uint8Array;
  /** With CBC empty: nothing there protects against changes. */
  readonly tag: Uint8Array;
}

/** `content` encrypted; with CBC padded as in RFC 5652 6.3 and without associated data. Key and nonce have the algorithm's sizes. */
export function encryptContent(
  name: ContentEncryptionName,
  key: Uint8Array,
  nonce: Uint8Array,
  content: Uint8Array,
  associatedData: Uint8Array,
): EncryptedContent {
  if (contentEncryptions[name].mode === "CBC") {
    const cipher = createCipheriv(cipherNames[name], view(key), view(nonce));
    return { ciphertext: concat([cipher.update(view(content)), cipher.final()]), tag: new Uint8Array() };
  }
  const cipher = createCipheriv(gcmName(name), view(key), view(nonce), { authTagLength: tagLength });
  cipher.setAAD(view(associatedData));
  const ciphertext = concat([cipher.update(view(content)), cipher.final()]);
  return { ciphertext, tag: cipher.getAuthTag() };
}

/**
 * The content that was encrypted; undefined when padding or tag are wrong, without a reason. A tag of GCM has 12 to 16 octets (RFC
 * 5084 3.2). What CBC gives back may have been changed on the way.
 */
export function decryptContent(
  name: ContentEncryptionName,
  key: Uint8Array,
  nonce: Uint8Array,
  { ciphertext, tag }: EncryptedContent,
  associatedData: Uint8Array,
): Uint8Array | undefined {
  try {
    if (contentEncryptions[name].mode === "CBC") {
      const decipher = createDecipheriv(cipherNames[name], view(key), view(nonce));
      return concat([decipher.update(view(ciphertext)), decipher.final()]);
    }
    // Node.js takes tags of 4 and 8 octets as well, which are guessed too easily.
    if (tag.length < leastTagLength) return undefined;
    const decipher = createDecipheriv(gcmName(name), view(key), view(nonce), { authTagLength: tag.length });
    decipher.setAAD(view(associatedData));
    decipher.setAuthTag(view(tag));
    return concat([decipher.update(view(ciphertext)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function gcmName(name: ContentEncryptionName): CipherGCMTypes {
  return contentEncryptions[name].keyLength === 16 ? "aes-128-gcm" : "aes-256-gcm";
}

const cipherNames: Readonly<Record<ContentEncryptionName, string>> = {
  "aes128-CBC": "aes-128-cbc",
  "aes256-CBC": "aes-256-cbc",
  "aes128-GCM": "aes-128-gcm",
  "aes256-GCM": "aes-256-gcm",
};
const tagLength = 16;
const leastTagLength = 12;
