import { argon2 } from "node:crypto";
import { view } from "../core/bytes.ts";
import { CryptoError } from "./errors.ts";

/** What one derivation costs (RFC 9106 3.1). */
export interface Argon2Cost {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** The second recommended option of RFC 9106 4: 64 MiB, about 0.1 s of one core. */
export const recommendedCost: Argon2Cost = { memory: 64 * 1024, passes: 3, parallelism: 4 };

/**
 * 32 octets from a passphrase with Argon2id (RFC 9106), in the thread pool. The salt has 16 to 64 octets; throws CryptoError
 * `salt-length`, and `argon2-cost` for less than the recommended cost or for more than 1 GiB, 16 passes or 16 lanes. It
 * does not judge how good the passphrase is.
 */
export async function keyFromPassphrase(passphrase: string, salt: Uint8Array, cost: Argon2Cost): Promise<Uint8Array> {
  if (salt.length < leastSaltLength || salt.length > mostSaltLength)
    throw new CryptoError("salt-length", `A salt has ${leastSaltLength} to ${mostSaltLength} octets.`);
  for (const [name, most] of Object.entries(mostCost)) {
    const value = cost[name as keyof Argon2Cost];
    if (!Number.isInteger(value) || value < recommendedCost[name as keyof Argon2Cost] || value > most)
      throw new CryptoError("argon2-cost", `The ${name} of Argon2id is out of bounds.`);
  }
  // RFC 8265 4.2.2: one spelling of what a person typed, whatever the keyboard made of it.
  const parameters = { ...cost, message: passphrase.normalize("NFC"), nonce: view(salt), tagLength };
  return new Promise((resolve, reject) => {
    argon2("argon2id", parameters, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

const tagLength = 32;
const leastSaltLength = 16;
const mostSaltLength = 64;
/** Read back from a file, the cost must not take the machine down. */
const mostCost: Argon2Cost = { memory: 1024 * 1024, passes: 16, parallelism: 16 };
