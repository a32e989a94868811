import { hash } from "node:crypto";
import { view } from "../core/bytes.ts";

/** The hash functions that signatures and key derivations here are made with (FIPS 180-4). */
export type DigestName = "sha256" | "sha384" | "sha512";

/** MD5 (RFC 1321), which is broken as a digest: only for HTTP Digest with peers that know nothing else (RFC 7616 3.2). */
export function md5(data: Uint8Array): Uint8Array {
  return hash("md5", view(data), "buffer");
}

/** The digest of `data`. */
export function digest(name: DigestName, data: Uint8Array): Uint8Array {
  return hash(name, view(data), "buffer");
}
