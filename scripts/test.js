// npm test [path or pattern ...]: the checks, then all tests. With an argument only the tests whose path holds it (or
// matches it as a pattern), without the checks. The last line is `N passed, N failed`; the checks count as one.
import "./check-node.js";

const { existsSync, globSync, mkdtempSync, readFileSync, rmSync } = await import("node:fs");
const { tmpdir } = await import("node:os");
const { join, matchesGlob, resolve } = await import("node:path");
const { node, root } = await import("./child.js");

/** Rooms without input and output: their tests share one process, which is several times faster. */
const pure = "src/{core,encoding,crypto,pki,cose,jws,knowledge,voucher,protocols}/**/*.test.ts";
const everything = ["src/**/*.test.ts", "scripts/*.test.js", "test/**/*.test.ts"];
const limitPerTest = 5 * 60_000;

const filters = process.argv.slice(2);
const vectors = resolve(root, process.env.HATCHERY_VECTORS ?? "../shared/vectors");
const total = { passed: 0, failed: 0, skipped: 0 };

if (!existsSync(vectors)) {
  console.log(`The test vectors are not in ${vectors} (set HATCHERY_VECTORS): tests that need them do not run.`);
  if (process.env.CI === "true") total.failed += 1;
}
if (filters.length === 0) count((await node(["scripts/check.js"])).code === 0);

const chosen = globSync(everything, { cwd: root }).sort().filter(wanted);
const together = new Set(globSync(pure, { cwd: root }));
await run(
  "pure rooms, in one process",
  chosen.filter((path) => together.has(path)),
  // They share the process that reports, so nothing is cut off when a failed test leaves something running.
  ["--test-isolation=none", "--test-force-exit"],
);
const apart = chosen.filter((path) => !together.has(path));
const reported = await run("everything else, a process for each file", apart, [
  "--test-isolation=process",
  "--test-concurrency=2",
  "--import=./scripts/test-exit.js",
]);
for (const path of apart)
  if (!reported.has(resolve(root, path))) {
    console.log(`${path} ended before it could report.`);
    count(false);
  }

if (chosen.length === 0) {
  console.log(filters.length === 0 ? "There are no tests." : `No test file matches ${filters.join(" ")}.`);
  total.failed += 1;
}
if (total.skipped > 0) console.log(`${total.skipped} skipped`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed === 0 ? 0 : 1;

/** Resolves with the files that reported their results to the end. */
async function run(title, files, flags) {
  if (files.length === 0) return new Set();
  console.log(`== ${title}: ${files.length} files`);
  const directory = mkdtempSync(join(tmpdir(), "hatchery-tests-"));
  const tally = join(directory, "tally.json");
  const { code } = await node(
    [
      "--test",
      "--conditions=hatchery:source",
      `--test-timeout=${limitPerTest}`,
      ...flags,
      `--test-reporter=${process.stdout.isTTY ? "spec" : "dot"}`,
      "--test-reporter-destination=stdout",
      "--test-reporter=./scripts/tally.js",
      `--test-reporter-destination=${tally}`,
      ...files,
    ],
    { env: { HATCHERY_VECTORS: vectors } },
  );
  const counts = existsSync(tally) ? readFileSync(tally, "utf8").trim() : "";
  rmSync(directory, { recursive: true });
  if (counts === "") {
    console.log(`The test process ended with code ${code} before it could report.`);
    count(false);
    return new Set(files.map((path) => resolve(root, path)));
  }
  const { passed, failed, cancelled, skipped, files: reported } = JSON.parse(counts);
  total.passed += passed;
  total.failed += failed + cancelled;
  total.skipped += skipped;
  if (code !== 0 && failed + cancelled === 0) count(false);
  if (passed + failed + cancelled === 0) {
    console.log("These files hold no tests.");
    count(false);
  }
  return new Set(reported);
}

function wanted(path) {
  return filters.length === 0 || filters.some((filter) => path.includes(filter) || matchesGlob(path, filter));
}

function count(good) {
  if (good) total.passed += 1;
  else total.failed += 1;
}
