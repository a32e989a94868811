import { createPrivateKey } from "node:crypto";
import { view } from "../core/bytes.ts";
import { PemError } from "../encoding/errors.ts";
import { decodePem, type PemBlock } from "../encoding/pem.ts";
import { CryptoError } from "./errors.ts";
import { type PrivateKey, privateKeyFromDer, privateKeyToDer } from "./private-key.ts";

/** Whether a PEM text holds an EncryptedPrivateKeyInfo (RFC 5958 3), which `decryptPrivateKey` opens. */
export function isEncryptedPrivateKey(pem: string): boolean {
  return /^-----BEGIN ENCRYPTED PRIVATE KEY-----/m.test(pem);
}

/**
 * The one private key of a PEM text with an EncryptedPrivateKeyInfo, opened with its passphrase. Throws CryptoError: whether
 * the passphrase is wrong or the text damaged cannot be told apart. Its own work factor decides how long this takes.
 */
export function decryptPrivateKey(pem: string, passphrase: string): PrivateKey {
  const [block, second] = blocksOf(pem).filter(({ label }) => label.endsWith("PRIVATE KEY"));
  if (block === undefined || second !== undefined || block.label !== "ENCRYPTED PRIVATE KEY")
    throw new CryptoError("malformed-key", "The PEM text does not hold one encrypted private key.");
  return privateKeyFromDer(privateKeyToDer(opened(block.bytes, passphrase)));
}

function blocksOf(pem: string): readonly PemBlock[] {
  try {
    return decodePem(pem);
  } catch (cause) {
    if (!(cause instanceof PemError)) throw cause;
    throw new CryptoError("malformed-key", "The text is not PEM.", { cause });
  }
}

function opened(der: Uint8Array, passphrase: string): PrivateKey {
  try {
    return createPrivateKey({ key: view(der), format: "der", type: "pkcs8", passphrase });
  } catch {
    // Without the cause: nothing that was made from a private key belongs in an error.
    throw new CryptoError("malformed-key", "The passphrase does not open the private key, or the key is damaged.");
  }
}
