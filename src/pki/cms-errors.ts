import { HatcheryError } from "../core/errors.ts";
import { CryptoError } from "../crypto/errors.ts";
import { renamed } from "./errors.ts";

export type CmsErrorCode =
  | "malformed-cms"
  | "unexpected-content-type" // a CMS message that is well-formed but something else
  | "not-der" // what is signed or authenticated was sent in BER
  | "unsupported-algorithm"
  | "unsupported-key" // of another type, malformed, or weak
  | "content-missing" // detached, and the caller has none
  | "content-twice" // in the message and from the caller
  | "no-signer"
  | "unknown-signer" // the certificate that made the signature is neither in the message nor known
  | "bad-attributes" // signed attributes that are missing, doubled, or about another content type
  | "digest-mismatch"
  | "bad-signature"
  | "not-a-recipient" // encrypted, and not for this key
  | "decryption-failed" // the one answer to a wrong key, a changed message and wrong padding
  | "unencodable";

/** Thrown by the files of this room whose names begin with `cms-`. */
export class CmsError extends HatcheryError<CmsErrorCode> {
  override readonly name = "CmsError";
}

/** Runs a decoder whose DerError becomes a CmsError `malformed-cms`. */
export function decodingCms<T>(decode: () => T): T {
  return renamed(CmsError, "malformed-cms", "The CMS message is malformed", decode);
}

/** Runs an encoder whose DerError becomes a CmsError `unencodable`. */
export function encodingCms<T>(encode: () => T): T {
  return renamed(CmsError, "unencodable", "The CMS message cannot be encoded", encode);
}

/** Runs a use of keys, whose CryptoError becomes a CmsError `unsupported-algorithm` or `unsupported-key`. */
export function usingKey<T>(use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error;
    const code = error.code === "unsupported-algorithm" ? error.code : "unsupported-key";
    throw new CmsError(code, error.message, { cause: error, details: error.details });
  }
}
