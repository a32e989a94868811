import type { ErrorDetails } from "../core/errors.ts";
import { CryptoError } from "../crypto/errors.ts";
import type { Certificate } from "./certificate.ts";
import { PathError, type PathErrorCode, PkiError } from "./errors.ts";
import { formatName } from "./name.ts";

/** A PathError about one certificate: `complaint` goes on after its name, and `more` joins that name in the details. */
export function refusal(
  code: PathErrorCode,
  certificate: Certificate,
  complaint: string,
  more: ErrorDetails = {},
): PathError {
  const subject = formatName(certificate.subject);
  return new PathError(code, `The certificate of ${subject} ${complaint}.`, { details: { subject, ...more } });
}

/** An error of this room or of the keys as a PathError; throws what is neither. */
export function asPathError(error: unknown): PathError {
  if (error instanceof PathError) return error;
  if (error instanceof PkiError)
    return new PathError("malformed-extension", "A certificate of the path has a malformed extension.", {
      cause: error,
    });
  if (error instanceof CryptoError) {
    const code = error.code === "unsupported-algorithm" ? error.code : "unsupported-key";
    return new PathError(code, error.message, { cause: error, details: error.details });
  }
  throw error;
}
