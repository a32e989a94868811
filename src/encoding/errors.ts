import { HatcheryError } from "../core/errors.ts";

/** Why bytes are not the DER (or, for CMS, the BER) that was expected, or a value cannot be written as DER. */
export type DerErrorCode =
  | "truncated" // the element says that it is longer than what is there
  | "trailing-bytes" // something follows where the structure ends
  | "indefinite-length" // BER, not DER (X.690 10.1)
  | "length-not-minimal" // X.690 10.1
  | "high-tag" // tag numbers above 30 occur in no structure that is read here
  | "unexpected-tag" // another type, or a field that is missing
  | "bad-value" // the content octets are not a DER value of their type
  | "too-large"
  | "too-deep"
  | "too-many-items";

/** Thrown by everything in `der.ts`, `der-writer.ts` and `ber.ts`. */
export class DerError extends HatcheryError<DerErrorCode> {
  override readonly name = "DerError";
}

/** Why text is not base64 as RFC 8951 section 3.1 sends it. */
export type Base64ErrorCode =
  | "pem-armour"
  | "base64-alphabet"
  | "base64-whitespace"
  | "base64-padding"
  | "base64-trailing-bits";

/** Thrown by `base64.ts`. */
export class Base64Error extends HatcheryError<Base64ErrorCode> {
  override readonly name = "Base64Error";
}

/** Why text is not a file of RFC 7468 blocks. */
export type PemErrorCode =
  | "pem-too-large"
  | "pem-too-many-blocks"
  | "pem-bad-label"
  | "pem-unfinished" // a block without its end line, or with that of another label
  | "pem-headers" // RFC 1421 headers: an encrypted key in the old OpenSSL format
  | "pem-base64";

/** Thrown by `pem.ts`. */
export class PemError extends HatcheryError<PemErrorCode> {
  override readonly name = "PemError";
}
