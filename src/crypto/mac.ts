import { createHmac, hash, timingSafeEqual } from "node:crypto";
import { view } from "../core/bytes.ts";

/** SHA-256. */
export function sha256(data: Uint8Array): Uint8Array {
  return hash("sha256", view(data), "buffer");
}

/** HMAC of RFC 2104 with SHA-256. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac("sha256", view(key)).update(view(data)).digest();
}

/** Equality in a time that depends on the lengths alone: for secrets, whose lengths are no secret. */
export function equalSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(view(a), view(b));
}
