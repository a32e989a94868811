import { constants, privateDecrypt, publicEncrypt } from "node:crypto";
import { view } from "../core/bytes.ts";
import type { DigestName } from "./digest.ts";
import { CryptoError } from "./errors.ts";
import type { PrivateKey } from "./private-key.ts";
import type { PublicKey } from "./public-key.ts";

/** How RSA encrypts a key (RFC 8017 7); with OAEP the same hash makes the mask, and the label is empty. */
export type KeyTransportScheme =
  | { readonly kind: "RSAES-OAEP"; readonly hash: DigestName | "sha1" }
  | { readonly kind: "RSAES-PKCS1-v1_5" };

/** `key` encrypted for a recipient, with OpenSSL's random numbers. Throws CryptoError `unsupported-key` for keys other than RSA. */
export function encryptKey(recipient: PublicKey, scheme: KeyTransportScheme, key: Uint8Array): Uint8Array {
  if (recipient.kind !== "RSA") throw notRsa();
  return publicEncrypt({ key: recipient.keyObject, ...parameters(scheme) }, view(key));
}

/**
 * The key that was encrypted; undefined when it cannot be decrypted. With PKCS #1 v1.5 wrong padding gives other octets of any
 * length instead, the same ones each time (OpenSSL's implicit rejection), so that there is nothing to ask Bleichenbacher's
 * questions of. Throws CryptoError `unsupported-key` for keys other than RSA.
 */
export function decryptKey(
  privateKey: PrivateKey,
  scheme: KeyTransportScheme,
  encrypted: Uint8Array,
): Uint8Array | undefined {
  if (privateKey.asymmetricKeyType !== "rsa") throw notRsa();
  try {
    return privateDecrypt({ key: privateKey, ...parameters(scheme) }, view(encrypted));
  } catch {
    return undefined;
  }
}

function parameters(scheme: KeyTransportScheme) {
  if (scheme.kind === "RSAES-PKCS1-v1_5") return { padding: constants.RSA_PKCS1_PADDING };
  return { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: scheme.hash };
}

function notRsa(): CryptoError {
  return new CryptoError("unsupported-key", "Key transport needs an RSA key.");
}
