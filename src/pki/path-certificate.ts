import type { Certificate } from "./certificate.ts";
import type { Extension } from "./extensions.ts";
import { equalNames } from "./name.ts";
import { nameConstraintsOf } from "./name-constraints.ts";
import { extensionTypes, policies } from "./oids.ts";
import { refusal } from "./path-errors.ts";
import { type Profile, profileRules } from "./path-profiles.ts";
import { certificatePoliciesOf, inhibitAnyPolicyOf, mappedPoliciesOf, policyConstraintsOf } from "./policies.ts";
import {
  basicConstraintsOf,
  extKeyUsageOf,
  type KeyUsage,
  keyUsageOf,
  subjectAltNameOf,
} from "./standard-extensions.ts";

/** What a certificate has to be, whatever stands above and below it. All of these throw PathError, PkiError or CryptoError. */

/** Checks the first certificate of a path. */
export function checkLeaf(leaf: Certificate, profile: Profile, at: number | undefined): void {
  // Nothing else on the way asks for this key, and one that is weak or on a curve of its own choice proves nobody.
  void leaf.publicKey.keyObject;
  const { keyUsage, cA } = profileRules[profile];
  if (cA) {
    checkAuthority(leaf, at, []);
    return;
  }
  checkDates(leaf, at);
  checkExtensions(leaf);
  if (hasNameConstraints(leaf) && basicConstraintsOf(leaf.extensions)?.cA !== true)
    // RFC 5280 4.2.1.10: in the certificates of CAs only.
    throw refusal("critical-extension", leaf, "has name constraints, although it is not that of a CA");
  checkKeyUsage(leaf, keyUsage);
  checkExtKeyUsage(leaf, profile);
}

/** Checks a certificate between the first one and the anchor; `below` are those under it. */
export function checkIntermediate(
  issuer: Certificate,
  profile: Profile,
  at: number | undefined,
  below: readonly Certificate[],
): void {
  checkAuthority(issuer, at, below);
  // Not in RFC 5280, but what everybody does: a CA for e-mail does not make TLS clients.
  checkExtKeyUsage(issuer, profile);
}

/** Checks the certificate of a CA, an anchor's too; `below` are those under it, the first certificate included. */
export function checkAuthority(issuer: Certificate, at: number | undefined, below: readonly Certificate[]): void {
  checkDates(issuer, at);
  checkExtensions(issuer);
  // RFC 5280 6.1.4 (k) to (n).
  const constraints = basicConstraintsOf(issuer.extensions);
  if (constraints?.cA !== true) throw refusal("not-a-ca", issuer, "is not the certificate of a CA");
  checkKeyUsage(issuer, "keyCertSign");
  if (constraints.pathLenConstraint === undefined) return;
  const counted = below.slice(1).filter((between) => !isSelfIssued(between));
  if (counted.length > constraints.pathLenConstraint)
    throw refusal("path-too-long", issuer, "does not allow as many CAs below it");
}

/** Whether subject and issuer are the same: of a root, or of a CA that changed its key (RFC 5280 3.2). */
export function isSelfIssued(certificate: Certificate): boolean {
  return equalNames(certificate.subject, certificate.issuer);
}

function checkDates(certificate: Certificate, at: number | undefined): void {
  if (at === undefined) return;
  const { notBefore, notAfter } = certificate;
  if (at < notBefore) throw refusal("not-yet-valid", certificate, "is not valid yet", { notBefore, at });
  // RFC 5280 4.1.2.5: through notAfter, inclusive; that is the whole of its second.
  if (at >= notAfter + 1000) throw refusal("expired", certificate, "has expired", { notAfter, at });
}

function checkExtensions(certificate: Certificate): void {
  for (const { type, critical } of certificate.extensions) {
    const read = processed.get(type);
    if (read !== undefined) read(certificate.extensions);
    else if (critical)
      throw refusal("critical-extension", certificate, `has the critical extension ${type}, which is not processed`);
    if (critical && type === extensionTypes.certificatePolicies) checkQualifiers(certificate);
  }
}

/** RFC 5280 4.2.1.4: when it is critical, whoever cannot interpret a qualifier has to refuse. */
function checkQualifiers(certificate: Certificate): void {
  for (const { policyQualifiers } of certificatePoliciesOf(certificate.extensions) ?? [])
    for (const type of policyQualifiers)
      if (type !== policies.cps && type !== policies.unotice)
        throw refusal("critical-extension", certificate, `has a policy qualifier ${type}, which is not processed`);
}

function hasNameConstraints({ extensions }: Certificate): boolean {
  return extensions.some(({ type }) => type === extensionTypes.nameConstraints);
}

function checkKeyUsage(certificate: Certificate, usage: KeyUsage): void {
  const usages = keyUsageOf(certificate.extensions);
  if (usages !== undefined && !usages.has(usage))
    throw refusal("key-usage", certificate, `has a keyUsage without ${usage}`);
}

function checkExtKeyUsage(certificate: Certificate, profile: Profile): void {
  const wanted = profileRules[profile].purposes;
  if (wanted === undefined) return;
  const purposes = extKeyUsageOf(certificate.extensions);
  if (purposes !== undefined && !purposes.some((purpose) => wanted.includes(purpose)))
    throw refusal("key-usage", certificate, `has an extKeyUsage that does not allow the profile ${profile}`);
}

const readElsewhere = () => undefined;

/**
 * The extensions that are processed, and how those are read whose value could otherwise go unseen. RFC 5280 4.2: a critical
 * one that is not here is a reason to refuse, and so is one whose content cannot be read.
 */
const processed: ReadonlyMap<string, (extensions: readonly Extension[]) => unknown> = new Map<
  string,
  (extensions: readonly Extension[]) => unknown
>([
  [extensionTypes.basicConstraints, readElsewhere],
  [extensionTypes.keyUsage, readElsewhere],
  [extensionTypes.extKeyUsage, readElsewhere],
  [extensionTypes.subjectAltName, subjectAltNameOf],
  [extensionTypes.nameConstraints, nameConstraintsOf],
  [extensionTypes.certificatePolicies, readElsewhere],
  [extensionTypes.policyMappings, mappedPoliciesOf],
  [extensionTypes.policyConstraints, policyConstraintsOf],
  [extensionTypes.inhibitAnyPolicy, inhibitAnyPolicyOf],
]);
