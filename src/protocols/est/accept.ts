import { equal } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import { CryptoError } from "../../crypto/errors.ts";
import { verifySignature } from "../../crypto/keys.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { attribute, equalNames } from "../../pki/name.ts";
import { attributeTypes } from "../../pki/oids.ts";
import { validatePath } from "../../pki/path.ts";
import { basicConstraintsOf } from "../../pki/standard-extensions.ts";
import type { DeviceKey } from "../ports.ts";
import { EstFailed } from "./errors.ts";

/** The CA as a device knows it after cacerts. */
export interface CaCertificates {
  /** What was published and is taken over, the roots first. */
  readonly authorities: readonly Certificate[];
  /** What is trusted, now and for the next association: published roots, or what was trusted before. */
  readonly anchors: readonly Certificate[];
}

/**
 * What a device takes over of the certificates that cacerts published: those that are an explicit anchor or lead to one
 * (RFC 7030 4.1.3), the roots first. A new root is taken over when an anchor itself has certified it, through a NewWithOld or
 * OldWithNew certificate, and then vouches for others. Throws EstFailed `anchors-not-confirmed` for one that none vouches for:
 * that takes a person.
 */
export function acceptAuthorities(
  published: readonly Certificate[],
  anchors: readonly Uint8Array[],
  now: number,
): CaCertificates & { readonly signaturesVerified: number } {
  const trusted = anchors.map(parseAnchor);
  const isTrusted = ({ raw }: Certificate) => trusted.some((anchor) => equal(anchor.raw, raw));
  const selfSigned = published.filter(isSelfSigned);
  const roots = selfSigned.filter(isTrusted);
  let signaturesVerified = 0;
  const confirm = (certificate: Certificate, others: readonly Certificate[]) => {
    const input = { chain: [certificate, ...others], anchors: [...trusted, ...roots], at: now, profile: "ca" } as const;
    signaturesVerified += validatePath(input).signaturesVerified;
  };

  // Each root that is taken over may vouch for the next: a device may have slept through several roll-overs.
  const pending = new Set(selfSigned.filter((each) => !isTrusted(each)));
  const failures = new Map<Certificate, unknown>();
  let before: number;
  do {
    before = pending.size;
    for (const root of pending) {
      try {
        confirm(
          root,
          published.filter((each) => vouchesFor(each, root)),
        );
        roots.push(root);
        pending.delete(root);
      } catch (cause) {
        failures.set(root, cause);
      }
    }
  } while (pending.size < before);
  // No root, but a CA of an anchor all the same: what it has issued leads there through that certificate.
  for (const root of pending)
    if (!published.some((each) => each !== root && isSameCa(each, root) && certifiesNoCas(each)))
      throw notConfirmed(failures.get(root));

  const others = published.filter((certificate) => {
    if (selfSigned.includes(certificate)) return false;
    if (isTrusted(certificate)) return true;
    try {
      confirm(
        certificate,
        published.filter((other) => other !== certificate),
      );
      return true;
    } catch (cause) {
      // A cross certificate by a root that others know: what it certifies is trusted here already.
      if ([...trusted, ...roots].some((each) => isSameCa(each, certificate))) return false;
      throw notConfirmed(cause);
    }
  });
  const authorities = [...selfSigned.filter((each) => roots.includes(each)), ...others];
  if (authorities.length === 0) throw new EstFailed("anchors-not-confirmed", "the server published no CA certificate");
  return { authorities, anchors: anchorsAfter(authorities, trusted, now), signaturesVerified };
}

/**
 * What is trusted from now on: the roots that were taken over, so that a root which was given up goes; and a CA that was given as
 * an anchor stays one. An answer without a root takes nothing away but what has expired, and makes no anchor of what is below.
 */
function anchorsAfter(
  authorities: readonly Certificate[],
  before: readonly Certificate[],
  now: number,
): readonly Certificate[] {
  const published = authorities.filter((each) => isSelfSigned(each) || before.some(({ raw }) => equal(raw, each.raw)));
  if (published.some(isSelfSigned)) return published;
  const current = before.filter(({ notAfter }) => now <= notAfter);
  return unique(current.length > 0 ? [...published, ...current] : before);
}

/**
 * RFC 7030 4.1.3: the most recent self-signed certificate of what cacerts published, for a device that has no anchor yet. Throws
 * EstFailed `anchors-not-confirmed` when there is none. Verifies nothing: the caller knows how far it trusts the answer.
 */
export function newestRoot(published: readonly Certificate[]): Certificate {
  const [newest] = published.filter(isSelfSigned).toSorted((a, b) => b.notAfter - a.notAfter);
  if (newest !== undefined) return newest;
  throw new EstFailed(
    "anchors-not-confirmed",
    "the server published no self-signed CA certificate that the device could begin with; give its anchor instead",
  );
}

/** The self-signed ones among certificates that were verified. A cross certificate is no root. */
export function rootsAmong(authorities: readonly Certificate[]): readonly Certificate[] {
  return authorities.filter(isSelfSigned);
}

/**
 * What a path among verified certificates ends at: the roots, or all when there is none. Not for what is to be trusted later:
 * that is in `CaCertificates`, and who has an issuing CA's key must not become a root by it.
 */
export function anchorsAmong(authorities: readonly Certificate[]): readonly Certificate[] {
  const roots = rootsAmong(authorities);
  return roots.length > 0 ? roots : authorities;
}

/**
 * The certificate among those of an enrolment's answer that is for `key`, with its issuers below the root; throws
 * EstFailed `certificate-not-ours`, `certificate-not-current` or `certificate-not-trusted`.
 */
export function acceptCertificate(
  received: readonly Certificate[],
  key: DeviceKey,
  { authorities, anchors }: CaCertificates,
  now: number,
): { readonly certificate: Certificate; readonly chain: readonly Certificate[]; readonly signaturesVerified: number } {
  // RFC 7030 4.2.3 sends the issued certificate alone; some servers send its chain too.
  const certificate = received.find((each) => equal(each.subjectPublicKeyInfo, key.signer.publicKey));
  if (certificate === undefined)
    throw new EstFailed("certificate-not-ours", "the server sent no certificate for the key that was asked for");
  if (now < certificate.notBefore || now > certificate.notAfter) {
    throw new EstFailed(
      "certificate-not-current",
      "the certificate is not valid now; check the clocks of device and server",
    );
  }
  try {
    const others = [...authorities, ...received].filter((each) => each !== certificate && !isSelfIssued(each));
    const chain = [certificate, ...unique(others)];
    const { path, signaturesVerified } = validatePath({ chain, anchors, at: now, profile: "tls-client" });
    return { certificate, chain: path.slice(1), signaturesVerified };
  } catch (cause) {
    throw new EstFailed(
      "certificate-not-trusted",
      `the certificate does not lead to the CA that the server published: ${messageOf(cause)}`,
      { cause },
    );
  }
}

/** The serial number in a manufacturer's certificate; undefined when it has none. */
export function serialOf(certificate: Uint8Array): string | undefined {
  const { subject } = parseCertificate(certificate);
  return attribute(subject, attributeTypes.serialNumber) ?? attribute(subject, attributeTypes.commonName);
}

function parseAnchor(der: Uint8Array): Certificate {
  try {
    return parseCertificate(der);
  } catch (cause) {
    throw new EstFailed("anchors-not-confirmed", `a given anchor is not a certificate: ${messageOf(cause)}`, { cause });
  }
}

/** Around a roll-over a root's cross certificates are self-issued too, and not signed with their own key (RFC 4210 4.4). */
function isSelfSigned(certificate: Certificate): boolean {
  if (!isSelfIssued(certificate)) return false;
  const { signatureAlgorithm, tbsCertificate, signature } = certificate;
  try {
    return verifySignature(certificate.publicKey, signatureAlgorithm, tbsCertificate, signature);
  } catch (error) {
    // A root's signature proves nothing to who trusts it, and may be of a kind that is not verified any more.
    if (error instanceof CryptoError) return true;
    throw error;
  }
}

/**
 * Whether a cross certificate makes a root of what it certifies. The issuing CA below a root has such a certificate as well, and
 * with one of its own making it would be a root, or make one, if it were not for its path length: a self-issued certificate
 * does not count against that (RFC 5280 6.1.4 (l)), and is a root's own affair (RFC 4210 4.4).
 */
function vouchesFor(cross: Certificate, root: Certificate): boolean {
  return cross !== root && isSameCa(cross, root) && (isSelfIssued(cross) || !certifiesNoCas(cross));
}

function certifiesNoCas({ extensions }: Certificate): boolean {
  return basicConstraintsOf(extensions)?.pathLenConstraint === 0;
}

function notConfirmed(cause: unknown): EstFailed {
  return new EstFailed(
    "anchors-not-confirmed",
    `the server published a CA certificate that the trusted anchors do not vouch for; compare it with its operator and give it as an anchor if it is right: ${messageOf(cause)}`,
    { cause },
  );
}

function isSameCa(a: Certificate, b: Certificate): boolean {
  return equalNames(a.subject, b.subject) && equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}

function isSelfIssued(certificate: Certificate): boolean {
  return equalNames(certificate.issuer, certificate.subject);
}

function unique(certificates: readonly Certificate[]): readonly Certificate[] {
  return certificates.filter((each, index) => certificates.findIndex((other) => equal(other.raw, each.raw)) === index);
}
