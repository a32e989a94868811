import { HatcheryError, messageOf } from "../core/errors.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import type { Extension } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes, keyPurposes } from "../pki/oids.ts";
import { validatePath } from "../pki/path.ts";
import { encodeBasicConstraints, encodeExtKeyUsage, encodeKeyUsage } from "../pki/standard-extensions.ts";
import { listenerNames } from "./server-credential.ts";

/** A certificate of nobody's key, valid for one moment, that is made to be looked at and thrown away. */
export interface TrialCertificate {
  /** Whose certificate it stands for. */
  readonly of: "a device" | "the listener";
  readonly certificate: Certificate;
}

/**
 * Certificates by an issuing CA like those that it will issue: a device's, and the listener's with its names, valid at `now`
 * alone. A device's has no alternative name, because nobody knows yet which ones will be asked for. Throws what the signer
 * throws.
 */
export async function trialCertificates(
  issuing: Certificate,
  signer: Signer,
  names: readonly string[],
  now: number,
): Promise<readonly TrialCertificate[]> {
  const { publicKey } = signerOf(generateKey("P-256"));
  const trial = async (of: TrialCertificate["of"], commonName: string, extensions: readonly Extension[]) => {
    const der = await buildCertificate({
      serialNumber: Uint8Array.of(1),
      issuer: issuing.subject.raw,
      subject: encodeName([{ type: attributeTypes.commonName, value: commonName }]),
      publicKey,
      notBefore: now,
      notAfter: now,
      extensions: [encodeBasicConstraints({ cA: false }), encodeKeyUsage(["digitalSignature"]), ...extensions],
      signer,
    });
    return { of, certificate: parseCertificate(der) };
  };
  return [
    await trial("a device", "trial", [encodeExtKeyUsage([keyPurposes.clientAuth])]),
    await trial("the listener", names[0] ?? "trial", [
      encodeExtKeyUsage([keyPurposes.serverAuth]),
      listenerNames(names),
    ]),
  ];
}

/**
 * Why one of the trial certificates does not lead to the anchor through `cas`, as a sentence; undefined when all do. Path
 * lengths, names, policies, key usages and extended key usages are judged, and whether the signer was the CA's.
 */
export function complaintAboutTrials(
  trials: readonly TrialCertificate[],
  cas: readonly Certificate[],
  anchor: Certificate,
  now: number,
): string | undefined {
  for (const { of, certificate } of trials)
    try {
      const profile = of === "a device" ? "tls-client" : "tls-server";
      validatePath({ chain: [certificate, ...cas], anchors: [anchor], at: now, profile });
    } catch (error) {
      if (error instanceof HatcheryError) return `as the certificate of ${of}: ${messageOf(error)}`;
      throw error;
    }
  return undefined;
}
