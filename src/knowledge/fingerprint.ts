import { hex } from "../core/bytes.ts";
import { hmacSha256 } from "../crypto/mac.ts";

/**
 * HMAC-SHA-256 under the run's salt, 16 bytes in hex: equal fingerprints on two ends prove the same knowledge without
 * telling it. The salt comes from the association that both ends share, so ledgers of different runs cannot be joined;
 * it must never be stored beside the fingerprints, or a short password could be guessed from them.
 */
export function fingerprinting(salt: Uint8Array): (value: Uint8Array) => string {
  return (value) => hex(hmacSha256(salt, value).subarray(0, 16));
}

/** Label of the TLS exporter (RFC 5705) from which both ends derive the salt of a run. */
export const saltLabel = "EXPORTER-hatchery-run-ledger";
export const saltLength = 32;
