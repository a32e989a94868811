import type { RevocationReason } from "../pki/crl-reasons.ts";

/** The reasons of RFC 5280 5.3.1 that an operator can give for a device's certificate; the others are a CA's own, or a CRL's. */
export const operatorReasons = [
  "unspecified",
  "keyCompromise",
  "affiliationChanged",
  "superseded",
  "cessationOfOperation",
  "certificateHold",
  "privilegeWithdrawn",
] as const satisfies readonly RevocationReason[];
export type OperatorReason = (typeof operatorReasons)[number];
