import { createHmac, randomFillSync } from "node:crypto";

/** A source of random bytes, handed in so that one seed can replay a run. */
export interface Randomness {
  bytes(count: number): Uint8Array;
}

export const systemRandomness: Randomness = { bytes: (count) => randomFillSync(new Uint8Array(count)) };

/** A deterministic stream for tests and replays (HMAC-SHA-256 of a counter under the seed). Never for real keys. */
export function seededRandomness(seed: string): Randomness {
  let counter = 0;
  let pool = new Uint8Array(0);
  return {
    bytes(count) {
      const out = new Uint8Array(count);
      let filled = 0;
      while (filled < count) {
        if (pool.length === 0) {
          pool = new Uint8Array(createHmac("sha256", seed).update(String(counter)).digest());
          counter += 1;
        }
        const take = Math.min(pool.length, count - filled);
        out.set(pool.subarray(0, take), filled);
        pool = pool.subarray(take);
        filled += take;
      }
      return out;
    },
  };
}
