import { utf8 } from "../core/bytes.ts";
import { codeOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import { CryptoError } from "../crypto/errors.ts";
import { open, seal } from "../crypto/seal.ts";
import { firstKeyId, keyIdOf, sealPrefix } from "../store/vault-keys.ts";
import type { SecretKey } from "./vault/key-file.ts";

/** Seals what must be secret at rest. `purpose` is bound into the seal: a blob opens only where it belongs. */
export interface Vault {
  /** With the data key that is current as far as this process knows: `requireKeyOf` belongs to the writes of the blob. */
  seal(purpose: string, plaintext: Uint8Array): Uint8Array;
  /**
   * Looks for a data key that is not known yet in the store. Throws `seal-broken` when the blob was changed, moved or sealed
   * by another vault, and what `refresh` throws.
   */
  open(purpose: string, sealed: Uint8Array): Promise<Uint8Array>;
  /**
   * Takes up the data keys that are in the store now, since another service on the database may have changed them. Throws
   * `rekeyed-elsewhere`, `data-key-missing`, and what the store throws.
   */
  refresh(): Promise<void>;
}

/** What a ring does by itself, with the keys that it has. */
export interface RingVault {
  seal(purpose: string, plaintext: Uint8Array): Uint8Array;
  /** Throws `seal-broken`. */
  open(purpose: string, sealed: Uint8Array): Uint8Array;
}

/** The data keys in memory: one seals, and all of them open. */
export interface KeyRing {
  current: string;
  readonly keys: Map<string, SecretKey>;
}

/** The vault over the data keys of `ring`, whose ids stand in the seals; it follows every change of the ring. */
export function vaultOver(ring: KeyRing, randomness: Randomness): RingVault {
  return {
    seal(purpose, plaintext) {
      const key = ring.keys.get(ring.current);
      if (key === undefined) throw broken(purpose);
      return Buffer.concat([sealPrefix(ring.current), seal(key, plaintext, utf8(purpose), randomness)]);
    },
    open(purpose, sealed) {
      const id = keyIdOf(sealed);
      const key = id === undefined ? undefined : ring.keys.get(id);
      if (id === undefined || key === undefined) throw broken(purpose);
      // A seal from before keys had ids begins with its own version.
      const inner = id === firstKeyId ? sealed : sealed.subarray(sealPrefix(id).length);
      try {
        return open(key, inner, utf8(purpose));
      } catch (cause) {
        if (codeOf(cause) !== "seal-broken") throw cause;
        throw broken(purpose, cause);
      }
    },
  };
}

/** What the seal of a stored key is bound to. */
export function keyPurpose(tenant: string, name: string): string {
  return `key/${tenant}/${name}`;
}

/** A sealed session opens only as the session that it is. */
export function sessionPurpose(tenant: string, protocol: string, key: string): string {
  return `session/${tenant}/${protocol}/${key}`;
}

function broken(purpose: string, cause?: unknown): CryptoError {
  // The rest of a session's purpose is its key, which may be a token.
  const shown = purpose.split("/", 3).join("/");
  const sentence = `the vault does not open the stored ${shown}: one of them was changed; restore the whole data directory from one backup`;
  return new CryptoError("seal-broken", sentence, cause === undefined ? {} : { cause });
}
