import { HatcheryError } from "../core/errors.ts";
import { DerError } from "../encoding/errors.ts";
import { PkiError, renamed } from "./errors.ts";

export type OcspErrorCode =
  | "malformed-ocsp"
  | "critical-extension" // not processed here (RFC 6960 4.4)
  | "not-successful" // the responder has answered with an error status, which is in `details`
  | "not-the-responder" // neither the issuer nor one to whom it has delegated answering
  | "bad-signature"
  | "other-certificate" // the answer is not about the certificate that was asked for
  | "other-nonce" // the answer is not to this request
  | "not-current" // the answer is from the future, or there is a newer one
  | "unencodable";

/** Thrown by the files of this room whose names begin with `ocsp`. */
export class OcspError extends HatcheryError<OcspErrorCode> {
  override readonly name = "OcspError";
}

/** Runs a decoder of `what`, whose DerError or PkiError becomes an OcspError `malformed-ocsp`. */
export function decodingOcsp<T>(what: string, decode: () => T): T {
  return renamed(OcspError, "malformed-ocsp", `The ${what} is malformed`, decode, lower);
}

/** Runs an encoder of `what`, whose DerError or PkiError becomes an OcspError `unencodable`. */
export function encodingOcsp<T>(what: string, encode: () => T): T {
  return renamed(OcspError, "unencodable", `The ${what} cannot be encoded`, encode, lower);
}

const lower = [DerError, PkiError] as const;
