import { seededRandomness } from "../../src/core/randomness.ts";

/** Choices that depend on nothing but a seed. */
export interface Random {
  /** A whole number from 0 to `limit` - 1; `limit` is at most 2^32. */
  below(limit: number): number;
  pick<T>(choices: readonly [T, ...T[]]): T;
  bytes(count: number): Uint8Array;
  chance(oneIn: number): boolean;
}

export function randomOf(seed: string): Random {
  const { bytes } = seededRandomness(seed);
  const below = (limit: number) => Buffer.from(bytes(4)).readUInt32BE() % limit;
  return {
    below,
    bytes,
    pick: (choices) => choices[below(choices.length)] ?? choices[0],
    chance: (oneIn) => below(oneIn) === 0,
  };
}
