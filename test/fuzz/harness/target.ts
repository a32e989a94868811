import { hex } from "../../../src/core/bytes.ts";
import { mutations } from "../../mutate.ts";
import { withinBudget } from "./budget.ts";
import { elementMutations } from "./elements.ts";

/** One entry that is fed with damaged forms of one sample. */
export interface Target {
  readonly name: string;
  readonly sample: Uint8Array;
  /** Half of the inputs are damaged element by element, and written as DER, or some of them as BER. */
  readonly form?: "der" | "ber";
  /** Texts with a meaning to whoever answers, for values that are replaced. */
  readonly texts?: readonly string[];
  /** How often it is fed, compared with others: less when an input takes longer. */
  readonly weight: number;
  /**
   * True when the input was taken, false when it was refused as it should be; throws when it was answered in any way that
   * is not allowed. The sample itself is taken.
   */
  readonly answer: (input: Uint8Array) => boolean | Promise<boolean>;
}

/**
 * Targets that answer alike, by the names of their samples. `weight` 10: an input takes ten microseconds or so, where one of a
 * role takes hundreds.
 */
export function targetsOf(
  what: string,
  samples: Readonly<Record<string, Uint8Array>>,
  answer: Target["answer"],
  form?: Target["form"],
): readonly Target[] {
  const common = { answer, weight: 10, ...(form === undefined ? {} : { form }) };
  return Object.entries(samples).map(([name, sample]) => ({ name: `${what}, ${name}`, sample, ...common }));
}

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** Feeds all targets with `count` inputs together, which depend on `seed` and `count` alone, and tells each that fails. */
export async function fuzz(
  targets: readonly Target[],
  seed: number,
  count: number,
  tell: (line: string) => void,
): Promise<Tally> {
  const weights = targets.reduce((sum, { weight }) => sum + weight, 0);
  let passed = 0;
  let failed = 0;
  for (const [index, { name, sample, form, texts = [], weight, answer }] of targets.entries()) {
    // An odd multiplier spreads neighbouring targets over all seeds.
    const own = (seed + Math.imul(index, 0x9e3779b1)) >>> 0;
    const inputs = Math.max(1, Math.round((count * weight) / weights));
    let taken = 0;
    let broken = 0;
    const feed = async (input: Uint8Array, required: boolean) => {
      try {
        const isTaken = await withinBudget(input, answer);
        if (required && !isTaken) throw new Error("the sample itself is refused");
        taken += isTaken ? 1 : 0;
      } catch (error) {
        broken += 1;
        if (broken <= mostTold) tell(`FAILED ${name}, seed ${own}: ${hex(input)}\n  ${sentencesOf(error)}`);
      }
    };
    await feed(sample, true);
    const byElement = form === undefined ? 0 : Math.floor(inputs / 2);
    for (const input of mutations(own, sample, inputs - byElement)) await feed(input, false);
    if (form !== undefined)
      for (const input of elementMutations(own, sample, byElement, form, texts)) await feed(input, false);
    passed += inputs + 1 - broken;
    failed += broken;
    tell(`${name}: ${inputs + 1} inputs, ${taken} taken${broken === 0 ? "" : `, ${broken} FAILED`}`);
  }
  return { passed, failed };
}

type ErrorClass = abstract new (...parameters: never) => Error;

/** Runs all of `reads`: false when one of them throws an error of `allowed`; any other error goes on. */
export function readsOrRefuses(allowed: readonly ErrorClass[], ...reads: readonly (() => void)[]): boolean {
  let taken = true;
  for (const read of reads) {
    try {
      read();
    } catch (error) {
      if (!allowed.some((each) => error instanceof each)) throw error;
      taken = false;
    }
  }
  return taken;
}

function sentencesOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** One fault fails thousands of inputs in the same way. */
const mostTold = 5;
