import { equal } from "../core/bytes.ts";
import { messageOf } from "../core/errors.ts";
import { type PrivateKey, privateKeyFromPem, signerOf } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { ServiceError } from "./errors.ts";

/**
 * The certificates of a file in PEM, 1 to 16 of them; other blocks are passed over. `what` names the file in the sentence of
 * the error. Throws `invalid`. Nothing about the certificates is verified.
 */
export function certificatesIn(pem: string, what: string): readonly [Certificate, ...Certificate[]] {
  let certificates: readonly Certificate[];
  try {
    const blocks = decodePem(pem).filter(({ label }) => label === "CERTIFICATE");
    certificates = blocks.slice(0, mostCertificates + 1).map(({ bytes }) => parseCertificate(bytes));
  } catch (cause) {
    throw new ServiceError("invalid", `${what} cannot be read as certificates in PEM: ${messageOf(cause)}`, { cause });
  }
  const [first, ...others] = certificates;
  if (first === undefined) throw new ServiceError("invalid", `${what} holds no certificate in PEM`);
  if (certificates.length > mostCertificates)
    throw new ServiceError(
      "invalid",
      `${what} holds more than ${mostCertificates} certificates; give those of one chain`,
    );
  return [first, ...others];
}

/** The private key of a file in PEM, which has to be the one of `certificate`; throws `invalid`. */
export function privateKeyIn(pem: string, certificate: Certificate, what: string): PrivateKey {
  let key: PrivateKey;
  try {
    key = privateKeyFromPem(pem);
  } catch (cause) {
    throw new ServiceError("invalid", `${what} cannot be used: ${messageOf(cause)}`, { cause });
  }
  if (!equal(signerOf(key).publicKey, certificate.subjectPublicKeyInfo))
    throw new ServiceError(
      "invalid",
      `${what} is not the private key of its certificate; give the two that belong together`,
    );
  return key;
}

/** A chain hardly has more than five. */
const mostCertificates = 16;
