import { equal, hex } from "../core/bytes.ts";
import { sha256 } from "../crypto/mac.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { equalNames } from "../pki/name.ts";
import { authorityKeyIdentifierOf, keyIdentifierOf, subjectKeyIdentifierOf } from "../pki/standard-extensions.ts";
import type { Authority as AuthorityRecord } from "../store/records.ts";

/** A certificate of one of the tenant's CAs. */
export interface CaCertificate {
  readonly record: AuthorityRecord;
  readonly certificate: Certificate;
  /** SHA-256 of the certificate, hex. A tenant that was forgotten gets CAs with the same names. */
  readonly fingerprint: string;
}

/** All CAs of a tenant, and what follows from their states. */
export interface Hierarchy {
  /** By name, those that have ended as well. */
  readonly all: readonly CaCertificate[];
  /** The root that leads, and the CA that issues. */
  readonly root: CaCertificate;
  readonly issuing: CaCertificate;
  /** What devices are given (RFC 7030 4.1.3): all that the leading root vouches for, which comes first. */
  readonly published: readonly Certificate[];
  /** The CAs whose certificates are accepted, those that issue no more as well. */
  readonly issuers: readonly Certificate[];
  /**
   * What a certificate of the issuing CA is shown with: its issuers below the root, and around a roll-over the cross
   * certificate by which who knows the other root alone gets to this one.
   */
  readonly chain: readonly Certificate[];
}

/** The hierarchy in a tenant's records; undefined when no root or no issuing CA is active. */
export function hierarchyOf(records: readonly AuthorityRecord[]): Hierarchy | undefined {
  const all = records.map((record) => ({
    record,
    certificate: parseCertificate(record.certificate),
    fingerprint: hex(sha256(record.certificate)),
  }));
  const standing = all.filter(({ record }) => record.state !== "ended");
  const active = (role: AuthorityRecord["role"]) =>
    standing.find(({ record }) => record.role === role && record.state === "active");
  const [root, issuing] = [active("root"), active("issuing")];
  if (root === undefined || issuing === undefined) return undefined;
  const certificatesOf = (role: AuthorityRecord["role"]) =>
    standing.filter(({ record }) => record.role === role).map(({ certificate }) => certificate);
  const crosses = certificatesOf("cross");
  const cross = crosses.find((each) => sameKey(each, root.certificate));
  const below = [...certificatesOf("intermediate"), ...certificatesOf("issuing")];
  return {
    all,
    root,
    issuing,
    published: published(root.certificate, certificatesOf("root"), crosses, below),
    issuers: standing
      .filter(({ record }) => record.role === "issuing" && record.state !== "next")
      .map(({ certificate }) => certificate),
    chain: [...upwards(issuing.certificate, below), ...(cross === undefined ? [] : [cross])],
  };
}

/** A retired root that no cross certificate ties to the leading one would be refused by devices, and so would what is below it. */
function published(
  leading: Certificate,
  roots: readonly Certificate[],
  crosses: readonly Certificate[],
  below: readonly Certificate[],
): readonly Certificate[] {
  const tied = roots.filter((root) => root !== leading && crosses.some((cross) => sameKey(cross, root)));
  const given = [leading, ...tied];
  for (let added = true; added; ) {
    const more = below.filter((each) => !given.includes(each) && given.some((issuer) => isIssuer(issuer, each)));
    given.push(...more);
    added = more.length > 0;
  }
  // A root that was brought along is certified by the one before, which it cannot certify in its turn.
  return [...given, ...(tied.length > 0 ? crosses : crosses.filter((cross) => sameKey(cross, leading)))];
}

/** The certificate and its issuers as far as `among` holds them. */
function upwards(certificate: Certificate, among: readonly Certificate[]): readonly Certificate[] {
  const chain = [certificate];
  for (let last: Certificate | undefined = certificate; last !== undefined; ) {
    const child: Certificate = last;
    last = among.find((each) => !chain.includes(each) && isIssuer(each, child));
    if (last !== undefined) chain.push(last);
  }
  return chain;
}

/** By name and key identifier: around a roll-over two roots have the same name. Does not check the signature. */
export function isIssuer(issuer: Certificate, certificate: Certificate): boolean {
  if (!equalNames(issuer.subject, certificate.issuer)) return false;
  const wanted = authorityKeyIdentifierOf(certificate.extensions);
  const identifier = subjectKeyIdentifierOf(issuer.extensions) ?? keyIdentifierOf(issuer.subjectPublicKeyInfo);
  return wanted === undefined || equal(wanted, identifier);
}

function sameKey(a: Certificate, b: Certificate): boolean {
  return equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}
