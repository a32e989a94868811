import type { Randomness } from "../../core/randomness.ts";

/** Milliseconds of the first pause and of the longest. */
export interface Pauses {
  readonly first: number;
  readonly most: number;
}

/** Pauses between tries that fail: each twice as long as the one before, the last quarter of it by chance, so that a fleet spreads out. */
export class Backoff {
  readonly #pauses: Pauses;
  readonly #randomness: Randomness;
  #failures = 0;

  constructor(pauses: Pauses, randomness: Randomness) {
    this.#pauses = pauses;
    this.#randomness = randomness;
  }

  /** Milliseconds until the next try, and not less than the server has asked for. */
  next(asked = 0, most = this.#pauses.most): number {
    const doubled = Math.min(this.#pauses.first * 2 ** Math.min(this.#failures, mostDoublings), most);
    this.#failures += 1;
    return spread(Math.max(doubled, asked), this.#randomness);
  }

  reset(): void {
    this.#failures = 0;
  }
}

/** `milliseconds`, and up to a quarter more by chance. */
export function spread(milliseconds: number, randomness: Randomness): number {
  return Math.round(milliseconds * (1 + fraction(randomness) / 4));
}

/** A number from 0 up to 1. */
export function fraction(randomness: Randomness): number {
  return new DataView(randomness.bytes(4).slice().buffer).getUint32(0) / 2 ** 32;
}

/** Beyond any pause that is useful. */
const mostDoublings = 30;
