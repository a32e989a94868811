// npm run fuzz [protocol ...] [--seed N] [--count N]: runs the entry files test/fuzz/<protocol>.ts, each in a process of
// its own. The seed is printed, and the same seed and count repeat the same inputs.
import "./check-node.js";

const { randomInt } = await import("node:crypto");
const { globSync } = await import("node:fs");
const { basename } = await import("node:path");
const { parseArgs } = await import("node:util");
const { node, root } = await import("./child.js");

const { values, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: "string", default: String(randomInt(2 ** 31)) },
    count: { type: "string", default: "100000" },
  },
});
const entries = globSync("test/fuzz/*.ts", { cwd: root })
  .filter((path) => !/\.test(-support)?\.ts$/.test(path))
  .filter((path) => filters.length === 0 || filters.includes(basename(path, ".ts")))
  .sort();

const failed = [];
if (entries.length === 0)
  console.error(
    filters.length === 0
      ? "There is nothing to fuzz in test/fuzz/."
      : `Nothing in test/fuzz/ is named ${filters.join(" or ")}.`,
  );
for (const path of entries) {
  console.log(`== ${path} --seed ${values.seed} --count ${values.count}`);
  const { code } = await node(["--conditions=hatchery:source", path, "--seed", values.seed, "--count", values.count]);
  if (code !== 0) failed.push(path);
}
console.log(`${entries.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = entries.length === 0 || failed.length > 0 ? 1 : 0;
