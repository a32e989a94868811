import { HatcheryError } from "../core/errors.ts";
import { DerError } from "../encoding/errors.ts";
import { PkiError, renamed } from "./errors.ts";

export type CrlErrorCode =
  | "malformed-crl"
  | "critical-extension" // of the list or of an entry, and not processed here (RFC 5280 5.2, 5.3)
  | "partial-crl" // a delta, an indirect list, or one for some certificates only: it cannot answer for all of an issuer
  | "not-the-issuer" // the certificate names another subject than the list's issuer, or may not sign lists
  | "bad-signature"
  | "unencodable";

/** Thrown by the files of this room whose names begin with `crl`. */
export class CrlError extends HatcheryError<CrlErrorCode> {
  override readonly name = "CrlError";
}

/** Runs a decoder whose DerError or PkiError becomes a CrlError `malformed-crl`. */
export function decodingCrl<T>(decode: () => T): T {
  return renamed(CrlError, "malformed-crl", "The CRL is malformed", decode, lower);
}

/** Runs an encoder whose DerError or PkiError becomes a CrlError `unencodable`. */
export function encodingCrl<T>(encode: () => T): T {
  return renamed(CrlError, "unencodable", "The CRL cannot be encoded", encode, lower);
}

const lower = [DerError, PkiError] as const;
