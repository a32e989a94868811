import { hash } from "node:crypto";
import { view } from "../core/bytes.ts";

/** The hash functions that signatures and key derivations here are made with (FIPS 180-4). */
export type DigestName = "sha256" | "sha384" | "sha512";

/** The digest of `data`. */
export function digest(name: DigestName, data: Uint8Array): Uint8Array {
  return hash(name, view(data), "buffer");
}
