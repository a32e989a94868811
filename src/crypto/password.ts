import { type ScryptOptions, scrypt } from "node:crypto";
import { view } from "../core/bytes.ts";
import { CryptoError } from "./errors.ts";
import { equalSecret } from "./mac.ts";

/**
 * The scrypt hash (RFC 7914) of a password, as `scrypt$N$r$p$salt$hash` with salt and hash in base64url. The salt is fresh,
 * random, and 16 to 64 octets; throws CryptoError `salt-length`. It does not judge how good the password is.
 */
export async function hashPassword(password: string, salt: Uint8Array): Promise<string> {
  if (salt.length < leastSaltLength || salt.length > mostLength)
    throw new CryptoError("salt-length", `A salt has ${leastSaltLength} to ${mostLength} octets.`);
  const hash = await derived(password, salt, hashLength, cost);
  const { N, r, p } = cost;
  return ["scrypt", N, r, p, base64url(salt), base64url(hash)].join("$");
}

/**
 * Whether `password` is the one of the hash, in a time that does not depend on the answer. Throws CryptoError
 * `malformed-password-hash` when the hash is not one of `hashPassword`, or asks for more than 64 MiB of memory.
 */
export async function verifyPassword(hash: string, password: string): Promise<boolean> {
  const { salt, expected, ...parameters } = parsed(hash);
  return equalSecret(await derived(password, salt, expected.length, parameters), expected);
}

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

function parsed(hash: string): Cost & { readonly salt: Uint8Array; readonly expected: Uint8Array } {
  const [, ...fields] = form.exec(hash) ?? [];
  const [N = 0, r = 0, p = 0] = fields.slice(0, 3).map(Number);
  const [salt = new Uint8Array(), expected = new Uint8Array()] = fields.slice(3).map(fromBase64url);
  const powerOfTwo = N > 1 && (N & (N - 1)) === 0;
  const affordable = r > 0 && p > 0 && p <= mostParallel && 128 * N * r <= mostMemory;
  const lengths = salt.length >= leastSaltLength && salt.length <= mostLength && expected.length >= hashLength;
  if (!powerOfTwo || !affordable || !lengths || expected.length > mostLength)
    throw new CryptoError("malformed-password-hash", "The stored password hash is malformed: set the password again.");
  return { N, r, p, salt, expected };
}

function derived(password: string, salt: Uint8Array, length: number, { N, r, p }: Cost): Promise<Uint8Array> {
  const options: ScryptOptions = { N, r, p, maxmem: 2 * mostMemory };
  // RFC 8265 4.2.2: one spelling of what a person typed, whatever the keyboard made of it.
  const typed = password.normalize("NFC");
  return new Promise((resolve, reject) => {
    scrypt(typed, view(salt), length, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function base64url(bytes: Uint8Array): string {
  return view(bytes).toString("base64url");
}

function fromBase64url(text: string): Uint8Array {
  return Buffer.from(text, "base64url");
}

const form = /^scrypt\$(\d{1,7})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)$/;

/** About 40 ms of one core and 16 MiB, in the thread pool. */
const cost: Cost = { N: 16_384, r: 8, p: 1 };
const hashLength = 32;
const leastSaltLength = 16;
const mostLength = 64;
const mostMemory = 64 * 1024 * 1024;
const mostParallel = 16;
