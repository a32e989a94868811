// npm run bench [protocol or room ...] [--json]: runs bench/<name>.ts, each in a process of its own and one after another.
// With --json each prints one JSON document, and this prints one object with them by name.
import "./check-node.js";

const { globSync } = await import("node:fs");
const { basename } = await import("node:path");
const { parseArgs } = await import("node:util");
const { node, root } = await import("./child.js");

const { values, positionals: filters } = parseArgs({ allowPositionals: true, options: { json: { type: "boolean" } } });
// Other files in bench/, such as the floors, belong to no protocol or room and run nothing by themselves.
const measured = globSync(["src/protocols/*/", "src/*/"], { cwd: root }).map((path) => basename(path));
const benches = globSync("bench/*.ts", { cwd: root })
  .map((path) => basename(path, ".ts"))
  .filter((name) => measured.includes(name) && (filters.length === 0 || filters.includes(name)))
  .sort();

const documents = {};
let failed = benches.length === 0;
if (failed)
  console.error(
    filters.length === 0 ? "There are no benchmarks in bench/." : `No benchmark is named ${filters.join(" or ")}.`,
  );
for (const name of benches) {
  const args = ["--conditions=hatchery:source", `bench/${name}.ts`, ...(values.json ? ["--json"] : [])];
  const { code, output } = await node(args, { capture: values.json });
  if (code !== 0) {
    console.error(`bench/${name}.ts ended with code ${code}.`);
    failed = true;
  } else if (values.json) documents[name] = JSON.parse(output);
}
if (values.json) console.log(JSON.stringify(documents, null, 2));
process.exitCode = failed ? 1 : 0;
