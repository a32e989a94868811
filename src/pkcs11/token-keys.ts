import { createPublicKey } from "node:crypto";
import { codeOf } from "../core/errors.ts";
import { type SignatureAlgorithm, signatureAlgorithms } from "../crypto/algorithms.ts";
import { digest } from "../crypto/digest.ts";
import { type PublicKey, publicKeyOf, verifySignature } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { decodeDer } from "../encoding/der.ts";
import {
  bitString,
  nullValue,
  objectIdentifier,
  octetString,
  sequence,
  unsignedInteger,
} from "../encoding/der-writer.ts";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question, TokenKeyKind, TokenPublicKey } from "./messages.ts";
import { type Pkcs11Process, pkcs11Process } from "./process.ts";
import { formatKeyUri, type KeyUri, parseKeyUri } from "./uri.ts";

export interface TokenOptions {
  /** Path of the vendor's PKCS#11 library. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  readonly pin: string;
}

/** Private keys in a token; nothing but their signatures comes out of it. */
export interface TokenKeys {
  /** Opens the token unless it is open, which tries the PIN once; throws what that throws. */
  check(): Promise<void>;
  /** Makes a key pair; `uri` names it from now on, also when nobody keeps it. `id` has to be new. */
  generate(
    label: string,
    id: Uint8Array,
    kind: TokenKeyKind,
  ): Promise<{ readonly uri: string; readonly signer: Signer }>;
  /** The signer of a key by its URI; throws `hsm-uri`, `hsm-key-missing`, and what opening the token throws. */
  signer(uri: string): Promise<Signer>;
  close(): Promise<void>;
  /** The running process that holds the module, for tests that end it. */
  readonly pid: () => number | undefined;
}

/**
 * The keys of one token, behind a process of its own that is started with the first question. A question that was lost
 * with the process is asked once more when that does no harm.
 */
export function tokenKeys({ module, token, pin }: TokenOptions): TokenKeys {
  const process = pkcs11Process({ kind: "open", module, token, pin });
  return {
    async check() {
      await process.ask({ kind: "check" }, checkLimit);
    },
    async generate(label, id, kind) {
      const { publicKey } = await process.ask({ kind: "generate", label, id, key: kind }, generationLimit);
      return {
        uri: formatKeyUri({ token, object: label, id }),
        signer: signerOf(process, { token, object: label, id }, spkiOf(publicKey)),
      };
    },
    async signer(uri) {
      const key = parseKeyUri(uri);
      if (key.token !== token)
        throw new Pkcs11Error(
          "hsm-token-missing",
          `the key is in the token ${key.token}, and the service has the token ${token}`,
        );
      const { publicKey } = await askAgain(process, { kind: "find", key });
      return signerOf(process, key, spkiOf(publicKey));
    },
    close: () => process.close(),
    pid: () => process.pid(),
  };
}

function signerOf(process: Pkcs11Process, key: KeyUri, subjectPublicKeyInfo: Uint8Array): Signer {
  const publicKey = publicKeyOf(subjectPublicKeyInfo);
  const algorithm = algorithmOf(publicKey);
  return {
    publicKey: subjectPublicKeyInfo,
    algorithm: algorithm.identifier,
    async sign(data) {
      const { signature: raw } = await askAgain(process, { kind: "sign", key, data: toBeSigned(algorithm, data) });
      const signature = raw && (algorithm.keyType === "ec" ? ecdsaSignature(raw) : raw);
      // A token that computes wrongly may give its key away, and no device would take the certificate.
      if (signature === undefined || !verifySignature(publicKey, algorithm.identifier, data, signature))
        throw new Pkcs11Error(
          "hsm-signature",
          "the token gave a signature that its public key does not verify; have it looked after",
        );
      return signature;
    },
  };
}

/** A crash loses the answer, and asking again changes nothing; a device waits no longer for both. */
async function askAgain(process: Pkcs11Process, question: Question): Promise<Answer> {
  const start = performance.now();
  try {
    return await process.ask(question, signingLimit);
  } catch (error) {
    if (codeOf(error) !== "hsm-crashed") throw error;
    return process.ask(question, Math.ceil(signingLimit - (performance.now() - start)));
  }
}

function algorithmOf({ kind }: PublicKey): SignatureAlgorithm {
  switch (kind) {
    case "P-256":
      return signatureAlgorithms.ecdsaWithSha256;
    case "P-384":
      return signatureAlgorithms.ecdsaWithSha384;
    case "RSA":
      return signatureAlgorithms.sha256WithRsa;
    case "P-521":
    case "Ed25519":
      throw new Pkcs11Error("hsm-refused", `keys of ${kind} in a token are not used; use P-256, P-384 or RSA`);
  }
}

/** The hash, for RSA in its DigestInfo (RFC 8017 9.2): CKM_ECDSA and CKM_RSA_PKCS take them as they are. */
function toBeSigned({ keyType, hash }: SignatureAlgorithm, data: Uint8Array): Uint8Array {
  const hashed = digest(hash ?? "sha256", data);
  if (keyType !== "rsa") return hashed;
  return sequence([sequence([objectIdentifier("2.16.840.1.101.3.4.2.1"), nullValue()]), octetString(hashed)]);
}

/** r and s side by side as PKCS#11 gives them, in the SEQUENCE that certificates hold (RFC 3279 2.2.3). */
function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return sequence([unsignedInteger(raw.subarray(0, half)), unsignedInteger(raw.subarray(half))]);
}

function spkiOf(key: TokenPublicKey | undefined): Uint8Array {
  try {
    if (key?.kind === "rsa") {
      const [n, e] = [key.modulus, key.exponent].map((octets) => Buffer.from(octets).toString("base64url"));
      return createPublicKey({ key: { kty: "RSA", n: n ?? "", e: e ?? "" }, format: "jwk" }).export({
        format: "der",
        type: "spki",
      });
    }
    if (key?.kind === "ec") return ecSpki(key.parameters, key.point);
  } catch (cause) {
    throw unusable(cause);
  }
  throw unusable(undefined);
}

/** CKA_EC_POINT is an OCTET STRING; some tokens give the bare point. */
function ecSpki(parameters: Uint8Array, point: Uint8Array): Uint8Array {
  const bare = point.length === 65 || point.length === 97;
  const octets = bare ? point : decodeDer(point, (reader) => reader.octetString());
  return sequence([sequence([objectIdentifier("1.2.840.10045.2.1"), parameters]), bitString(octets)]);
}

function unusable(cause: unknown): Pkcs11Error {
  return new Pkcs11Error("hsm-failed", "the token gave a public key that cannot be read; have it looked after", {
    cause,
  });
}

const signingLimit = 10_000;
/** More than the opening may take, so that its own reason is told. */
const checkLimit = 40_000;
/** RSA in a small token takes its time. */
const generationLimit = 120_000;
