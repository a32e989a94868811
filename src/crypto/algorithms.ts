import { fromHex, hex } from "../core/bytes.ts";
import { decodeDer } from "../encoding/der.ts";
import { CryptoError } from "./errors.ts";

/** A signature algorithm of X.509, PKCS #10 and CMS. */
export interface SignatureAlgorithm {
  /** As the specifications call it. */
  readonly name: string;
  /** AlgorithmIdentifier in DER, as it is written. */
  readonly identifier: Uint8Array;
  readonly keyType: "ec" | "ed25519" | "rsa";
  /** Undefined when the algorithm takes the data itself. */
  readonly hash: "sha256" | "sha384" | "sha512" | undefined;
  /** Octets of salt; for RSASSA-PSS only. */
  readonly saltLength?: number;
}

/**
 * The algorithm of an AlgorithmIdentifier in DER. Parameters must be exactly as the algorithm's specification writes them.
 * Throws CryptoError `unsupported-algorithm` for all others, SHA-1 among them.
 */
export function signatureAlgorithmOf(identifier: Uint8Array): SignatureAlgorithm {
  const algorithm = byIdentifier.get(hex(identifier));
  if (algorithm !== undefined) return algorithm;
  const oid = oidOf(identifier);
  if (oid !== undefined && withSha1.has(oid))
    throw new CryptoError("unsupported-algorithm", "A signature over SHA-1 is not believed: sign with SHA-256.", {
      details: { algorithm: oid },
    });
  throw new CryptoError("unsupported-algorithm", "The signature algorithm, or its parameters, are not supported.", {
    details: { algorithm: oid },
  });
}

function oidOf(identifier: Uint8Array): string | undefined {
  try {
    return decodeDer(identifier, (reader) =>
      reader.sequence((content) => {
        const oid = content.objectIdentifier();
        if (!content.done) content.any();
        return oid;
      }),
    );
  } catch {
    return undefined;
  }
}

function algorithm(
  name: string,
  keyType: SignatureAlgorithm["keyType"],
  hash: SignatureAlgorithm["hash"],
  identifier: string,
  saltLength?: number,
): SignatureAlgorithm {
  const bytes = fromHex(identifier) ?? new Uint8Array();
  return { name, keyType, hash, identifier: bytes, ...(saltLength === undefined ? {} : { saltLength }) };
}

/** RFC 5758 3.2 (parameters absent), RFC 8410 3 (absent), RFC 4055 5 (NULL) and RFC 4055 3.1 with the salt as long as the hash. */
export const signatureAlgorithms = {
  ecdsaWithSha256: algorithm("ecdsa-with-SHA256", "ec", "sha256", "300a06082a8648ce3d040302"),
  ecdsaWithSha384: algorithm("ecdsa-with-SHA384", "ec", "sha384", "300a06082a8648ce3d040303"),
  ecdsaWithSha512: algorithm("ecdsa-with-SHA512", "ec", "sha512", "300a06082a8648ce3d040304"),
  ed25519: algorithm("Ed25519", "ed25519", undefined, "300506032b6570"),
  sha256WithRsa: algorithm("sha256WithRSAEncryption", "rsa", "sha256", "300d06092a864886f70d01010b0500"),
  sha384WithRsa: algorithm("sha384WithRSAEncryption", "rsa", "sha384", "300d06092a864886f70d01010c0500"),
  sha512WithRsa: algorithm("sha512WithRSAEncryption", "rsa", "sha512", "300d06092a864886f70d01010d0500"),
  pssWithSha256: algorithm(
    "RSASSA-PSS with SHA-256",
    "rsa",
    "sha256",
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
    32,
  ),
  pssWithSha384: algorithm(
    "RSASSA-PSS with SHA-384",
    "rsa",
    "sha384",
    "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d010108300d06096086480165030402020500a203020130",
    48,
  ),
  pssWithSha512: algorithm(
    "RSASSA-PSS with SHA-512",
    "rsa",
    "sha512",
    "304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d010108300d06096086480165030402030500a203020140",
    64,
  ),
} as const;

const byIdentifier: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ...Object.values(signatureAlgorithms).map((known) => [hex(known.identifier), known] as const),
  // RFC 4055 5: "Implementations MUST accept the parameters being absent as well as present."
  ["300b06092a864886f70d01010b", signatureAlgorithms.sha256WithRsa] as const,
  ["300b06092a864886f70d01010c", signatureAlgorithms.sha384WithRsa] as const,
  ["300b06092a864886f70d01010d", signatureAlgorithms.sha512WithRsa] as const,
]);

/** sha1WithRSAEncryption, dsa-with-sha1, ecdsa-with-SHA1. */
const withSha1: ReadonlySet<string> = new Set(["1.2.840.113549.1.1.5", "1.2.840.10040.4.3", "1.2.840.10045.4.1"]);
