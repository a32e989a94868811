import { parseCertificate } from "./certificate.ts";
import { PkiError } from "./errors.ts";
import { keyPurposes } from "./oids.ts";
import { extKeyUsageOf } from "./standard-extensions.ts";

/**
 * Whether a certificate's extKeyUsage holds id-kp-cmcRA (RFC 6402 2.10); anyExtendedKeyUsage is no substitute, and what cannot be
 * read holds nothing. Says nothing of who issued it, which decides whether it counts (RFC 7030 3.6.1, 3.7).
 */
export function isForRegistrationAuthority(der: Uint8Array): boolean {
  try {
    return extKeyUsageOf(parseCertificate(der).extensions)?.includes(keyPurposes.cmcRA) === true;
  } catch (error) {
    if (error instanceof PkiError) return false;
    throw error;
  }
}
