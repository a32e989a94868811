import { webcrypto } from "node:crypto";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { view } from "../../src/core/bytes.ts";
import type { PrivateKey } from "../../src/crypto/keys.ts";
import type { Key } from "./material.ts";

/** PKI.js as an independent reader and writer, over Web Crypto. It knows no Ed25519 and no AuthEnvelopedData. */

/** The whole of `bytes` as ASN.1, which is read by one of the classes of PKI.js. */
export function schemaOf(bytes: Uint8Array) {
  const { offset, result } = asn1js.fromBER(bufferOf(bytes));
  if (offset !== bytes.length) throw new Error("asn1js does not read all of it");
  return result;
}

export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

export function bytesOf(schema: { toBER(): ArrayBuffer }): Uint8Array {
  return new Uint8Array(schema.toBER());
}

/** The private key as Web Crypto has it, for signing, or for decrypting by key agreement or key transport. */
export function importedKey({ kind, privateKey }: Key, use: "sign" | "decrypt"): Promise<CryptoKey> {
  const [algorithm, usages] = use === "sign" ? signing(kind) : decrypting(kind);
  return webcrypto.subtle.importKey("pkcs8", pkcs8(privateKey), algorithm, true, usages) as Promise<CryptoKey>;
}

export function pkcs8(privateKey: PrivateKey): ArrayBuffer {
  return bufferOf(privateKey.export({ format: "der", type: "pkcs8" }));
}

/** The hash that our signers use with a key. */
export function hashOf(kind: Key["kind"]): string {
  return kind === "P-384" ? "SHA-384" : kind === "P-521" ? "SHA-512" : "SHA-256";
}

/** The octets of an INTEGER as a number in hexadecimal. */
export function integerOf(integer: asn1js.Integer): string {
  return view(integer.valueBlock.valueHexView)
    .toString("hex")
    .replace(/^0+(?=.)/, "");
}

/** A Time in the form of RFC 5280 4.1.2.5, which PKI.js leaves to its callers. */
export function timeOf(milliseconds: number): pkijs.Time {
  const value = new Date(milliseconds);
  const year = value.getUTCFullYear();
  const type = year >= 1950 && year < 2050 ? pkijs.TimeType.UTCTime : pkijs.TimeType.GeneralizedTime;
  return new pkijs.Time({ type, value });
}

type Import = readonly [
  algorithm: webcrypto.EcKeyImportParams | webcrypto.RsaHashedImportParams,
  usages: webcrypto.KeyUsage[],
];

function signing(kind: Key["kind"]): Import {
  if (kind === "RSA") return [{ name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, ["sign"]];
  return [{ name: "ECDSA", namedCurve: kind }, ["sign"]];
}

function decrypting(kind: Key["kind"]): Import {
  if (kind === "RSA") return [{ name: "RSA-OAEP", hash: "SHA-256" }, ["decrypt"]];
  return [{ name: "ECDH", namedCurve: kind }, ["deriveKey", "deriveBits"]];
}
