import { equal } from "../../core/bytes.ts";
import { messageOf } from "../../core/errors.ts";
import { CryptoError } from "../../crypto/errors.ts";
import { verifySignature } from "../../crypto/keys.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { attribute, equalNames } from "../../pki/name.ts";
import { attributeTypes } from "../../pki/oids.ts";
import { validatePath } from "../../pki/path.ts";
import type { DeviceKey } from "../ports.ts";
import { EstFailed } from "./errors.ts";

/**
 * What a device takes over of the certificates that cacerts published: those that are an explicit anchor or lead to one
 * (RFC 7030 4.1.3), the roots first. A new root is taken over when an anchor vouches for it through a NewWithOld or OldWithNew
 * certificate, and then vouches for others itself. Throws EstFailed `anchors-not-confirmed` for one that none vouches for:
 * that takes a person.
 */
export function acceptAuthorities(
  published: readonly Certificate[],
  anchors: readonly Uint8Array[],
  now: number,
): { readonly authorities: readonly Certificate[]; readonly signaturesVerified: number } {
  const trusted = anchors.map(parseAnchor);
  const roots: Certificate[] = [];
  const others: Certificate[] = [];
  let signaturesVerified = 0;
  const [selfSigned, rest] = [published.filter(isSelfSigned), published.filter((each) => !isSelfSigned(each))];
  for (const certificate of [...selfSigned, ...rest]) {
    const accepted = selfSigned.includes(certificate) ? roots : others;
    if (!trusted.some((anchor) => equal(anchor.raw, certificate.raw))) {
      try {
        const chain = [certificate, ...published.filter((other) => other !== certificate)];
        const anchorsNow = [...trusted, ...roots];
        signaturesVerified += validatePath({ chain, anchors: anchorsNow, at: now, profile: "ca" }).signaturesVerified;
      } catch (cause) {
        // A cross certificate by a root that others know: what it certifies is trusted here already.
        if (accepted === others && [...trusted, ...roots].some((each) => isSameCa(each, certificate))) continue;
        throw new EstFailed(
          "anchors-not-confirmed",
          `the server published a CA certificate that the trusted anchors do not vouch for; compare it with its operator and give it as an anchor if it is right: ${messageOf(cause)}`,
          { cause },
        );
      }
    }
    accepted.push(certificate);
  }
  const authorities = [...roots, ...others];
  if (authorities.length === 0) throw new EstFailed("anchors-not-confirmed", "the server published no CA certificate");
  return { authorities, signaturesVerified };
}

/** The anchors among what a device has taken over: its roots, or all when there is none. A cross certificate is no root. */
export function anchorsAmong(authorities: readonly Certificate[]): readonly Certificate[] {
  const roots = authorities.filter(isSelfSigned);
  return roots.length > 0 ? roots : authorities;
}

/**
 * The certificate among those of an enrolment's answer that is for `key`, with its issuers below the root; throws
 * EstFailed `certificate-not-ours`, `certificate-not-current` or `certificate-not-trusted`.
 */
export function acceptCertificate(
  received: readonly Certificate[],
  key: DeviceKey,
  authorities: readonly Certificate[],
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
    const anchors = anchorsAmong(authorities);
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

function isSameCa(a: Certificate, b: Certificate): boolean {
  return equalNames(a.subject, b.subject) && equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}

function isSelfIssued(certificate: Certificate): boolean {
  return equalNames(certificate.issuer, certificate.subject);
}

function unique(certificates: readonly Certificate[]): readonly Certificate[] {
  return certificates.filter((each, index) => certificates.findIndex((other) => equal(other.raw, each.raw)) === index);
}
