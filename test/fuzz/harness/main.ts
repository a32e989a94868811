import { parseArgs } from "node:util";
import { fuzz, type Target } from "./target.ts";

/** Feeds `targets` as the options `--seed N` and `--count N` of this process say, and sets its exit code. */
export async function fuzzAsTold(targets: readonly Target[]): Promise<void> {
  const { values } = parseArgs({
    options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "100000" } },
  });
  const [seed, count] = [Number(values.seed), Number(values.count)];
  if (!Number.isSafeInteger(seed) || !(Number.isSafeInteger(count) && count > 0)) {
    console.error("--seed takes a whole number, and --count one above 0.");
    process.exitCode = 1;
    return;
  }
  const { passed, failed } = await fuzz(targets, seed, count, (line) => console.log(line));
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
