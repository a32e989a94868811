// npm run fuzz est [--seed N] [--count N]: damaged input for every decoder that EST uses, for its server and its device.
import { parseArgs } from "node:util";
import { decoderTargets } from "./est/decoders.ts";
import { deviceTargets } from "./est/device.ts";
import { httpTargets } from "./est/http.ts";
import { serverTargets } from "./est/server.ts";
import { fuzz } from "./est/target.ts";

const { values } = parseArgs({
  options: { seed: { type: "string", default: "1" }, count: { type: "string", default: "100000" } },
});
const [seed, count] = [values.seed, values.count].map(Number);
if (
  seed === undefined ||
  count === undefined ||
  !Number.isSafeInteger(seed) ||
  !(Number.isSafeInteger(count) && count > 0)
) {
  console.error("--seed takes a whole number, and --count one above 0.");
  process.exit(1);
}

const targets = [...(await decoderTargets()), ...httpTargets(), ...(await serverTargets()), ...(await deviceTargets())];
const { passed, failed } = await fuzz(targets, seed, count, (line) => console.log(line));
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
