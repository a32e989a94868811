import { HatcheryError, messageOf } from "../core/errors.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes, keyPurposes } from "../pki/oids.ts";
import { validatePath } from "../pki/path.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "../pki/standard-extensions.ts";

/**
 * A certificate of nobody's key by an issuing CA, to see what becomes of the ones that it will issue: for a client and a
 * server of TLS, valid at `now` alone. It is thrown away. Throws what the signer throws.
 */
export async function trialCertificate(issuing: Certificate, signer: Signer, now: number): Promise<Certificate> {
  const der = await buildCertificate({
    serialNumber: Uint8Array.of(1),
    issuer: issuing.subject.raw,
    subject: encodeName([{ type: attributeTypes.commonName, value: "trial" }]),
    publicKey: signerOf(generateKey("P-256")).publicKey,
    notBefore: now,
    notAfter: now,
    extensions: [
      encodeBasicConstraints({ cA: false }),
      encodeKeyUsage(["digitalSignature"]),
      encodeExtKeyUsage([keyPurposes.clientAuth, keyPurposes.serverAuth]),
    ],
    signer,
  });
  return parseCertificate(der);
}

/**
 * Why a trial certificate is not one that leads to the anchor through `cas`, as a sentence; undefined when it is. Path lengths,
 * key usages and extended key usages are judged, and whether the signer was the CA's.
 */
export function complaintAboutTrial(
  trial: Certificate,
  cas: readonly Certificate[],
  anchor: Certificate,
  now: number,
): string | undefined {
  try {
    for (const profile of ["tls-client", "tls-server"] as const)
      validatePath({ chain: [trial, ...cas], anchors: [anchor], at: now, profile });
    return undefined;
  } catch (error) {
    if (error instanceof HatcheryError) return messageOf(error);
    throw error;
  }
}
