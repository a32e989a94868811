import { keyPurposes } from "../pki/oids.ts";
import type { CertificateProfile } from "../protocols/ports.ts";

/**
 * What holders of a profile's certificates are taken for besides devices, in words; undefined for nothing. Purposes that are not
 * known here are taken for those of devices.
 */
export function privilegeOf({
  registrationAuthority,
  extKeyUsage,
}: Pick<CertificateProfile, "registrationAuthority" | "extKeyUsage">): string | undefined {
  if (registrationAuthority !== "") return "registration authorities";
  // RFC 5280 4.2.1.12: a certificate that names no purpose is good for all of them.
  if (extKeyUsage.length === 0) return "anything";
  return extKeyUsage.map((purpose) => privileges.get(purpose)).find((privilege) => privilege !== undefined);
}

/** Purposes by which others than the services behind a device trust its certificate. */
const privileges: ReadonlyMap<string, string> = new Map([
  [keyPurposes.anyExtendedKeyUsage, "anything"],
  [keyPurposes.cmcRA, "registration authorities"],
  [keyPurposes.cmcCA, "the CA itself in CMC"],
  [keyPurposes.OCSPSigning, "OCSP responders"],
  [keyPurposes.serverAuth, "TLS servers"],
  [keyPurposes.codeSigning, "signers of code"],
  [keyPurposes.timeStamping, "clocks"],
]);
