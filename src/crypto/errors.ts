import { HatcheryError } from "../core/errors.ts";

export type CryptoErrorCode =
  | "malformed-key" // not a key at all, or a point that is not on its curve
  | "unsupported-key" // a key of a type, curve or encoding that is not used here
  | "weak-key"
  | "unsupported-algorithm" // a signature algorithm that is unknown, or too weak to be believed
  | "malformed-password-hash"
  | "salt-length"
  | "argon2-cost"
  | "seal-broken";

/** The only error that the functions of this room throw on purpose. It never tells anything about a secret. */
export class CryptoError extends HatcheryError<CryptoErrorCode> {
  override readonly name = "CryptoError";
}
