// npm run interop [peer or protocol ...] [--allow-missing] [--timeout SECONDS]: Hatchery against real peer programs.
//
// A peer that cannot be installed is shown with the reason; under CI=true it counts as failed, unless --allow-missing is given
// or the peer says that nobody packages it.
// A run over all peers writes interop/RESULTS.md. The last line is `N passed, N failed`.
import "./check-node.js";

await import("./source-condition.js");
const { globSync, mkdirSync, rmSync, writeFileSync } = await import("node:fs");
const { join } = await import("node:path");
const { parseArgs } = await import("node:util");
const { root } = await import("./child.js");
const { resultTables } = await import("./interop-table.js");

const { values, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: { "allow-missing": { type: "boolean" }, timeout: { type: "string", default: "120" } },
});
const missingFails = process.env.CI === "true" && !values["allow-missing"];
const work = join(root, "interop", ".work");

const peers = [];
for (const path of globSync("interop/*.interop.ts", { cwd: root }))
  peers.push((await import(new URL(`../${path}`, import.meta.url).href)).default);
const chosen = peers
  .filter(({ protocol, peer }) => filters.length === 0 || filters.includes(protocol) || filters.includes(peer))
  .sort((a, b) => compare(`${a.protocol} ${a.peer}`, `${b.protocol} ${b.peer}`));

const results = [];
for (const peer of chosen) results.push(await runPeer(peer));

const all = results.flatMap(({ variants }) => variants);
const passed = all.filter(({ outcome }) => outcome === "passed").length;
const missing = results.filter(({ missing }) => missing).length;
const failed = all.filter(({ outcome }) => outcome === "failed").length + (missingFails ? missing : 0);

if (chosen.length === 0)
  console.log(
    peers.length === 0 ? "There are no peers in interop/." : `No peer or protocol is named ${filters.join(" or ")}.`,
  );
else {
  const tables = resultTables(results);
  console.log(`\n${tables}`);
  if (filters.length === 0) writeFileSync(join(root, "interop", "RESULTS.md"), `# Interoperability\n\n${tables}`);
}
const nothing = chosen.length === 0 ? 1 : 0;
console.log(`${passed} passed, ${failed + nothing} failed`);
// A peer that hangs past its time must not keep this process.
process.exit(failed + nothing === 0 ? 0 : 1);

async function runPeer(peer) {
  const title = `${peer.protocol} ${peer.peer}`;
  const log = (line) => console.log(`   ${title}: ${line}`);
  const result = { protocol: peer.protocol, peer: peer.peer, variants: [] };
  console.log(`== ${title}`);
  try {
    await peer.install(log);
    result.version = (await peer.version()).trim();
  } catch (error) {
    // Only what says that it is missing is missing; any other error is a failure of the peer's script.
    const outcome = error.code === "not-installed" ? "not installed" : "failed";
    console.log(`${outcome}: ${outcome === "failed" ? error.stack : error.message}`);
    for (const { name, role } of peer.variants) result.variants.push({ name, role, outcome });
    return outcome === "failed" ? result : { ...result, missing: peer.packaged !== false, reason: error.message };
  }
  for (const variant of peer.variants) result.variants.push(await runVariant(peer, variant, log));
  return result;
}

async function runVariant(peer, { name, role, run }, log) {
  const directory = join(work, peer.protocol, peer.peer, name.replaceAll(/[^\w.-]/g, "-"));
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const over = new AbortController();
  const { promise: late, reject } = Promise.withResolvers();
  const timer = setTimeout(() => {
    const error = new Error(`not done after ${values.timeout} s`);
    over.abort(error);
    reject(error);
  }, Number(values.timeout) * 1000);
  try {
    const seen = await Promise.race([run({ directory, log, signal: over.signal }), late]);
    rmSync(directory, { recursive: true, force: true });
    console.log(`passed: ${name} (${role}): ${seen}`);
    return { name, role, outcome: "passed", seen };
  } catch (error) {
    console.log(`failed: ${name} (${role}): ${error.stack ?? error}\n   what it left is in ${directory}`);
    return { name, role, outcome: "failed" };
  } finally {
    clearTimeout(timer);
  }
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
