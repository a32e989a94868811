import { HatcheryError, messageOf } from "../core/errors.ts";
import { CryptoError } from "../crypto/errors.ts";
import { verifySignature } from "../crypto/keys.ts";
import type { Certificate } from "../pki/certificate.ts";
import { PkiError } from "../pki/errors.ts";
import { equalNames, formatName } from "../pki/name.ts";
import { validatePath } from "../pki/path.ts";
import { basicConstraintsOf, keyUsageOf } from "../pki/standard-extensions.ts";
import { ServiceError } from "./errors.ts";
import { certificatesIn } from "./pem-files.ts";

/** Files of an issuing CA, in PEM. */
export interface CaFiles {
  /** The issuing CA's certificate; what follows it in the file belongs to the chain. */
  readonly certificate: string;
  /** Its issuers up to the root, in any order; what does not belong to the chain is passed over. */
  readonly chain?: string;
}

/** An issuing CA and what it leads to. */
export interface CaChain {
  readonly issuing: Certificate;
  /** Between the issuing CA and the root, from below. */
  readonly intermediates: readonly Certificate[];
  /** Self-signed. */
  readonly root: Certificate;
}

/**
 * The chain of an issuing CA's files. Throws `invalid` with what to do: not a CA that may sign certificates, a link of the
 * chain missing, expired, weak, or not allowed what it does. The private key is not looked at.
 */
export function caChainIn({ certificate, chain }: CaFiles, now: number): CaChain {
  const [issuing, ...behind] = certificatesIn(certificate, "the file of the CA's certificate");
  const others = [...behind, ...(chain === undefined ? [] : certificatesIn(chain, "the file of the CA's chain"))];
  const name = formatName(issuing.subject);
  requireCa(issuing, name);
  if (equalNames(issuing.subject, issuing.issuer))
    throw invalid(
      `${name} is a root; make an issuing CA below it and import that, so that the root's key can stay away from here`,
    );
  const roots = others.filter(isSelfSigned);
  if (roots.length === 0)
    throw invalid("the chain holds no self-signed root; give the certificates of all CAs above the imported one");
  try {
    const { path, anchor } = validatePath({
      chain: [issuing, ...others.filter((each) => !roots.includes(each))],
      anchors: roots,
      at: now,
      profile: "ca",
    });
    return { issuing, intermediates: path.slice(1), root: anchor };
  } catch (error) {
    throw notUsable(error, name);
  }
}

function requireCa(certificate: Certificate, name: string): void {
  try {
    if (basicConstraintsOf(certificate.extensions)?.cA !== true)
      throw invalid(`${name} is not a CA (basicConstraints does not say so); give the issuing CA's certificate first`);
    const usages = keyUsageOf(certificate.extensions);
    for (const usage of ["keyCertSign", "cRLSign"] as const)
      if (usages !== undefined && !usages.has(usage))
        throw invalid(`${name} has a keyUsage without ${usage}; have it certified with keyCertSign and cRLSign`);
  } catch (error) {
    if (error instanceof PkiError) throw notUsable(error, name);
    throw error;
  }
}

/** Another certificate of the root's name and key, such as a cross certificate, is none to end at. */
function isSelfSigned(certificate: Certificate): boolean {
  const { subject, issuer, signatureAlgorithm, tbsCertificate, signature } = certificate;
  if (!equalNames(subject, issuer)) return false;
  try {
    return verifySignature(certificate.publicKey, signatureAlgorithm, tbsCertificate, signature);
  } catch (error) {
    // Weak or of an old kind: it may not belong to the chain, and a root's signature on itself proves nothing.
    if (error instanceof CryptoError) return true;
    throw error;
  }
}

function notUsable(cause: unknown, name: string): ServiceError {
  if (!(cause instanceof HatcheryError)) throw cause;
  return new ServiceError("invalid", `${name} cannot issue here: ${messageOf(cause)}`, { cause });
}

function invalid(message: string): ServiceError {
  return new ServiceError("invalid", message);
}
