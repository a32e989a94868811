import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { tags } from "../encoding/tags.ts";

/** CRLReason (RFC 5280 5.3.1). */
export type RevocationReason =
  | "unspecified"
  | "keyCompromise"
  | "cACompromise"
  | "affiliationChanged"
  | "superseded"
  | "cessationOfOperation"
  | "certificateHold"
  | "removeFromCRL"
  | "privilegeWithdrawn"
  | "aACompromise";

/** CRLReason by its number; 7 is not used. */
export const revocationReasons: ReadonlyMap<number, RevocationReason> = new Map([
  [0, "unspecified"],
  [1, "keyCompromise"],
  [2, "cACompromise"],
  [3, "affiliationChanged"],
  [4, "superseded"],
  [5, "cessationOfOperation"],
  [6, "certificateHold"],
  [8, "removeFromCRL"],
  [9, "privilegeWithdrawn"],
  [10, "aACompromise"],
]);

/** Reads a CRLReason; throws DerError. */
export function readRevocationReason(reader: DerReader): RevocationReason {
  const reason = revocationReasons.get(reader.smallInteger(maximumReason, tags.enumerated));
  if (reason === undefined) throw new DerError("bad-value", "The CRLReason is not one of RFC 5280 5.3.1.");
  return reason;
}

/** The DER of each CRLReason, made once: there may be a million entries. */
export const encodedReasons: ReadonlyMap<RevocationReason, Uint8Array> = new Map(
  [...revocationReasons].map(([value, reason]) => [reason, der.element(tags.enumerated, Uint8Array.of(value))]),
);

const maximumReason = 10;
