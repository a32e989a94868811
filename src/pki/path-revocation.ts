import { CryptoError } from "../crypto/errors.ts";
import type { Certificate } from "./certificate.ts";
import { type CertificateList, revocationOf, verifyCertificateList } from "./crl.ts";
import { CrlError } from "./crl-errors.ts";
import { equalNames } from "./name.ts";
import { refusal } from "./path-errors.ts";

/** Whether the certificates of a path have been revoked, by CRLs that the caller has. */
export interface RevocationInput {
  /** Complete lists, of any issuers and in any order: `parseCertificateList` takes no others. */
  readonly lists: readonly CertificateList[];
  /**
   * Whether a certificate without a current list of its issuer is refused (`require`) or accepted (`prefer`). `listed`: refused
   * when there are lists in its issuer's name, and accepted when there are none.
   */
  readonly policy: "require" | "listed" | "prefer";
}

/**
 * Looks for each certificate of a path in the lists of its issuer, which are those that the key above it in the path signed
 * (RFC 5280 6.3.3 (f), (g)); of lists under another key of the issuer nothing is believed. An entry counts whatever the dates
 * of its list, that there is none only in a current list; without a clock every list is current, an old one that was sent
 * again too. Throws PathError `revoked`, or by policy `crl-expired` or `revocation-unknown`. `count` is called before each
 * signature. Anchors are not looked for.
 */
export function checkRevocation(
  path: readonly Certificate[],
  anchor: Certificate,
  { lists, policy }: RevocationInput,
  at: number | undefined,
  count: () => void,
): void {
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1] ?? anchor;
    const named = lists.filter((list) => equalNames(list.issuer, issuer.subject));
    const own = named.filter((list) => isSignedBy(list, issuer, count));
    for (const list of own) {
      const revocation = revocationOf(list, certificate.serialNumber);
      if (revocation === undefined) continue;
      const { revocationDate, reason = "unspecified" } = revocation;
      throw refusal("revoked", certificate, `has been revoked (${reason})`, { reason, revocationDate });
    }
    if (policy === "prefer" || (policy === "listed" && named.length === 0) || own.some((list) => isCurrent(list, at)))
      continue;
    if (own.length === 0)
      throw refusal(
        "revocation-unknown",
        certificate,
        "may have been revoked: there is no CRL by the key of its issuer",
      );
    throw refusal("crl-expired", certificate, "may have been revoked: no CRL of its issuer is current");
  }
}

function isSignedBy(list: CertificateList, issuer: Certificate, count: () => void): boolean {
  count();
  try {
    verifyCertificateList(list, issuer);
    return true;
  } catch (error) {
    if (error instanceof CrlError || error instanceof CryptoError) return false;
    throw error;
  }
}

/** RFC 5280 6.3.3 (a), and 5.1.2.5: a list that does not say until when it is current is so at its own time alone. */
function isCurrent({ thisUpdate, nextUpdate = thisUpdate }: CertificateList, at: number | undefined): boolean {
  return at === undefined || (at >= thisUpdate && at < nextUpdate + 1000);
}
