import type { RevocationReason } from "./crl-reasons.ts";

/** What a responder says of one certificate (RFC 6960 4.2.1). */
export type CertStatus =
  | { readonly kind: "good" }
  /** Milliseconds since 1970-01-01 UTC; no reason means `unspecified`. */
  | { readonly kind: "revoked"; readonly revocationTime: number; readonly reason?: RevocationReason }
  | { readonly kind: "unknown" };

/** An OCSPResponseStatus without an answer (RFC 6960 4.2.1). */
export type OcspErrorStatus = "malformedRequest" | "internalError" | "tryLater" | "sigRequired" | "unauthorized";

/** OCSPResponseStatus by its number, but for 0, which is successful; 4 is not used. */
export const ocspErrorStatuses: ReadonlyMap<number, OcspErrorStatus> = new Map([
  [1, "malformedRequest"],
  [2, "internalError"],
  [3, "tryLater"],
  [5, "sigRequired"],
  [6, "unauthorized"],
]);
