import { type ErrorDetails, HatcheryError } from "../core/errors.ts";
import { DerError } from "../encoding/errors.ts";

export type PkiErrorCode =
  | "malformed-name"
  | "malformed-extension"
  | "malformed-certificate"
  | "malformed-request"
  | "malformed-csrattrs"
  | "malformed-cms"
  | "not-certs-only" // a CMS message that is well-formed but something else
  | "duplicate-extension"
  | "duplicate-attribute"
  | "unencodable"; // what a caller wants to build has no encoding, or none that RFC 5280 allows

/** Thrown by the files of this room that have no errors of their own. */
export class PkiError extends HatcheryError<PkiErrorCode> {
  override readonly name = "PkiError";
}

export type PathErrorCode =
  | "no-path" // no anchor vouches for it, or the certificates between are missing
  | "bad-signature"
  | "unsupported-algorithm" // of a signature on the path, SHA-1 included
  | "unsupported-key" // of a certificate on the path: weak, of another type, or malformed
  | "expired"
  | "not-yet-valid"
  | "not-a-ca"
  | "key-usage"
  | "path-too-long"
  | "critical-extension"
  | "malformed-extension"
  | "name-not-permitted" // by the name constraints of a CA above it
  | "too-many-names" // to be compared with name constraints
  | "no-valid-policy" // where a CA requires one
  | "revoked"
  | "crl-expired" // the lists of an issuer are not current
  | "revocation-unknown"; // there is no list of an issuer that could be verified

/** Why no path leads from a certificate to an anchor. Thrown by the files of this room whose names begin with `path`. */
export class PathError extends HatcheryError<PathErrorCode> {
  override readonly name = "PathError";
}

/** Runs a decoder of `what`, whose DerError becomes a PkiError with `code`. */
export function decoding<T>(code: PkiErrorCode, what: string, decode: () => T): T {
  return renamed(PkiError, code, `The ${what} is malformed`, decode);
}

/** Runs an encoder of `what`, whose DerError becomes a PkiError `unencodable`. */
export function encoding<T>(what: string, encode: () => T): T {
  return renamed(PkiError, "unencodable", `The ${what} cannot be encoded`, encode);
}

/**
 * Runs `run`, whose errors of the classes `from` become a `To` with `code` and a message of `complaint` and theirs. All other
 * errors are passed on.
 */
export function renamed<Code extends string, T>(
  To: ErrorClass<Code, readonly [Code, string, { readonly cause: unknown; readonly details: ErrorDetails }]>,
  code: Code,
  complaint: string,
  run: () => T,
  from: readonly ErrorClass<string, never>[] = onlyDer,
): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof HatcheryError && from.some((each) => error instanceof each))) throw error;
    throw new To(code, `${complaint}: ${error.message}`, { cause: error, details: error.details });
  }
}

const onlyDer = [DerError];

type ErrorClass<Code extends string, Parameters extends readonly unknown[]> = new (
  ...parameters: Parameters
) => HatcheryError<Code>;
