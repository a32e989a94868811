import { createPublicKey } from "node:crypto";
import { hex } from "../core/bytes.ts";
import { CryptoError } from "../crypto/errors.ts";
import { type PublicKey, privateKeyFromDer, publicKeyOf, signerOf } from "../crypto/keys.ts";
import { decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { type ExplainedField, type Explanation, error, type Finding, field, warning } from "./explain-model.ts";
import { fingerprint } from "./explain-words.ts";

/** What a SubjectPublicKeyInfo holds: fields of its kind and fingerprint, and what is wrong with it. */
export function explainPublicKey(subjectPublicKeyInfo: Uint8Array): {
  readonly fields: readonly ExplainedField[];
  readonly findings: readonly Finding[];
} {
  const fields = field("key SHA-256", fingerprint(subjectPublicKeyInfo));
  try {
    return { fields: [...field("key", keyText(publicKeyOf(subjectPublicKeyInfo))), ...fields], findings: [] };
  } catch (refusal) {
    if (!(refusal instanceof CryptoError)) throw refusal;
    return { fields: [...field("key", refusedKind(subjectPublicKeyInfo)), ...fields], findings: [keyFinding(refusal)] };
  }
}

/** A file that holds a public key and nothing else. */
export function explainPublicKeyFile(bytes: Uint8Array): Explanation {
  return { kind: "public-key", summary: "This is a public key.", ...explainPublicKey(bytes), children: [] };
}

/** A private key in DER, of which nothing is told but its kind and the fingerprint of its public key. */
export function explainPrivateKey(bytes: Uint8Array): Explanation {
  const summary = "This is a private key: keep it secret.";
  try {
    const { publicKey } = signerOf(privateKeyFromDer(bytes));
    const { fields, findings } = explainPublicKey(publicKey);
    return { kind: "private-key", summary, fields, findings: [keepSecret, ...findings], children: [] };
  } catch (refusal) {
    if (!(refusal instanceof CryptoError)) throw refusal;
    return { kind: "private-key", summary, fields: [], findings: [keepSecret, keyFinding(refusal)], children: [] };
  }
}

/** A private key of which this file shows no more than that it is encrypted. */
export function explainEncryptedKey(): Explanation {
  return {
    kind: "private-key",
    summary: "This is a private key under a passphrase: its kind shows only when it is decrypted.",
    fields: [],
    findings: [],
    children: [],
  };
}

/** The kind of a key with its size, and of RSA the size alone. */
function keyText({ kind, bits }: PublicKey): string {
  if (kind === "RSA") return `RSA of ${bits} bits`;
  return kind === "Ed25519" ? "Ed25519" : `${kind}, an elliptic curve of ${bits} bits`;
}

/** What a key that is refused here is, as OpenSSL reads it; or its algorithm alone. */
function refusedKind(subjectPublicKeyInfo: Uint8Array): string | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(subjectPublicKeyInfo), format: "der", type: "spki" });
    const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
    const size = modulusLength === undefined ? namedCurve : `${modulusLength} bits`;
    return [key.asymmetricKeyType, size].filter((part) => part !== undefined).join(", ");
  } catch {
    return algorithmOf(subjectPublicKeyInfo);
  }
}

function algorithmOf(subjectPublicKeyInfo: Uint8Array): string | undefined {
  try {
    return decodeDer(subjectPublicKeyInfo, (reader) =>
      reader.sequence((content) => {
        const algorithm = content.sequence((identifier) => {
          const type = identifier.objectIdentifier();
          if (!identifier.done) identifier.any();
          return type;
        });
        while (!content.done) content.any();
        return `algorithm ${algorithm}`;
      }),
    );
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return `${subjectPublicKeyInfo.length} octets that begin with ${hex(subjectPublicKeyInfo.subarray(0, 4))}`;
  }
}

function keyFinding({ code, message }: CryptoError): Finding {
  return error(code === "weak-key" || code === "unsupported-key" ? code : "malformed-key", message);
}

const keepSecret = warning(
  "private-key",
  "Whoever has this file is the device or the authority that it belongs to. If others had it, make a new key and revoke its certificate.",
);
