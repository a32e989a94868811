import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import type { Extension } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { extensionTypes, policies } from "../pki/oids.ts";
import { encodeCertificatePolicies } from "../pki/policies.ts";
import {
  basicConstraintsOf,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
  subjectKeyIdentifierOf,
} from "../pki/standard-extensions.ts";
import type { Authority } from "./authority.ts";
import { newSerialNumber } from "./authority-create.ts";

/**
 * Another's CAs as certified by the tenant's root, so that devices which trust the root are led to them (the NewWithOld of
 * RFC 7030 4.1.3), bound by what binds the CAs themselves; none when the root's key is not kept here. Whether they are to be trusted is the caller's to know.
 */
export async function crossCertify(
  authority: Authority,
  cas: readonly Certificate[],
  { clock, randomness }: { readonly clock: Clock; readonly randomness: Randomness },
): Promise<readonly Certificate[]> {
  const { root } = await authority.hierarchy();
  if (root.record.key === undefined) return [];
  const signer = await authority.signer(root);
  const { subject: issuer, extensions, subjectPublicKeyInfo, notAfter } = root.certificate;
  const crosses = cas.map((ca) =>
    buildCertificate({
      serialNumber: newSerialNumber(randomness),
      issuer: issuer.raw,
      subject: ca.subject.raw,
      publicKey: ca.subjectPublicKeyInfo,
      notBefore: clock.now() - clockSkew,
      notAfter: Math.min(ca.notAfter, notAfter),
      extensions: [
        encodeBasicConstraints({ ...basicConstraintsOf(ca.extensions), cA: true }),
        encodeKeyUsage(["keyCertSign", "cRLSign"]),
        // Its own: what it issued points at it.
        encodeSubjectKeyIdentifier(subjectKeyIdentifierOf(ca.extensions) ?? keyIdentifierOf(ca.subjectPublicKeyInfo)),
        encodeAuthorityKeyIdentifier(subjectKeyIdentifierOf(extensions) ?? keyIdentifierOf(subjectPublicKeyInfo)),
        ...boundsOf(ca),
      ],
      signer,
    }),
  );
  return (await Promise.all(crosses)).map((der) => parseCertificate(der));
}

/** Who comes by the tenant's root shall not be led further than who trusts the CA itself. */
function boundsOf({ extensions }: Certificate): readonly Extension[] {
  const bounds = extensions.filter(({ type }) => bounding.has(type));
  // An anchor without policies is one for all of them, any other certificate one for none (RFC 5280 6.1.3 (e)).
  return bounds.some(({ type }) => type === extensionTypes.certificatePolicies)
    ? bounds
    : [...bounds, encodeCertificatePolicies([policies.anyPolicy])];
}

const bounding: ReadonlySet<string> = new Set([
  extensionTypes.nameConstraints,
  extensionTypes.certificatePolicies,
  extensionTypes.policyMappings,
  extensionTypes.policyConstraints,
  extensionTypes.inhibitAnyPolicy,
  extensionTypes.extKeyUsage,
]);
/** Devices' clocks are often a little behind. */
const clockSkew = 5 * 60 * 1000;
