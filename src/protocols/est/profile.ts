import { equal } from "../../core/bytes.ts";
import type { CertificateProfile, Ports } from "../ports.ts";
import type { Client } from "./authenticate.ts";
import { EstRefused } from "./errors.ts";
import type { EnrollRequest, EstRequest } from "./messages.ts";

/** The profile that the request's label names; throws EstRefused `label-unknown`. */
export async function requireProfile({ label }: EstRequest, { issuer }: Ports): Promise<CertificateProfile> {
  const profile = await issuer.profile("est", label);
  if (profile === undefined) throw new EstRefused("label-unknown", "no profile has this label");
  return profile;
}

/**
 * Holds the key of a request, and also the certificate of this authority that a client shows, against the profile: it renews that,
 * whatever it calls the operation. Throws EstRefused `key-not-allowed`, `profile-not-the-client`, `renewal-too-early` and
 * `renewal-same-key`. Names are not looked at: `certifiedNames` does.
 */
export function checkProfile(
  { kind, csr }: EnrollRequest,
  client: Client,
  { name, keys, leastRsaBits, renewal }: CertificateProfile,
  now: number,
): void {
  // RFC 7030 4.4.1: the key in a request for another one is not looked at.
  if (kind !== "serverkeygen") {
    const { publicKey } = csr;
    if (!keys.includes(publicKey.kind))
      throw new EstRefused("key-not-allowed", `the profile ${name} certifies no ${publicKey.kind} keys`);
    if (publicKey.kind === "RSA" && publicKey.bits < leastRsaBits)
      throw new EstRefused("key-not-allowed", `the profile ${name} certifies no RSA keys below ${leastRsaBits} bits`);
  }
  const { certificate } = client;
  if (certificate === undefined || client.profile === undefined) return;
  if (client.profile !== name)
    throw new EstRefused(
      "profile-not-the-client",
      `the certificate was issued by the profile ${client.profile}, and ${name} was asked for`,
    );
  const { notBefore, notAfter } = certificate;
  const from = Math.ceil(notBefore + renewal.after * (notAfter - notBefore));
  if (now < from)
    throw new EstRefused(
      "renewal-too-early",
      `the profile ${name} renews this certificate from ${new Date(from).toISOString()} on`,
      { from },
    );
  if (kind !== "serverkeygen" && !renewal.sameKey && equal(csr.subjectPublicKeyInfo, certificate.subjectPublicKeyInfo))
    throw new EstRefused("renewal-same-key", `the profile ${name} renews a certificate with a new key only`);
}
