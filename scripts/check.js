// npm run check: types, lint and format, layers, and the package's subpaths. Everything is reported, any finding fails.
import "./check-node.js";

const { existsSync, globSync, readFileSync } = await import("node:fs");
const { join } = await import("node:path");
const { node, root } = await import("./child.js");
const { violations } = await import("./layers.js");

const checks = [
  ["types", async () => (await node(["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"])).code === 0],
  [
    "lint and format",
    async () => (await node(["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."])).code === 0,
  ],
  ["layers", () => said(layerFindings())],
  ["subpaths", () => said(subpathFindings())],
];

const failed = [];
for (const [name, check] of checks) {
  console.log(`== ${name}`);
  if (!(await check())) failed.push(name);
}
console.log(failed.length === 0 ? "check: all good" : `check: failed in ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function layerFindings() {
  const sources = new Map(
    globSync("{src,test}/**/*.ts", { cwd: root })
      .sort()
      .map((path) => [path.replaceAll("\\", "/"), readFileSync(join(root, path), "utf8")]),
  );
  return violations(sources).map(({ path, line, message }) => `${path}:${line} ${message}`);
}

/** What package.json promises must be there, and the published file must be the one that the source becomes. */
function subpathFindings() {
  const { bin, exports, files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const findings = [];
  const expect = (condition, finding) => condition || findings.push(`package.json: ${finding}`);
  for (const [command, path] of Object.entries(bin))
    expect(existsSync(join(root, path)), `the command ${command} is ${path}, which does not exist`);
  for (const [subpath, target] of Object.entries(exports)) {
    if (typeof target === "string") {
      expect(existsSync(join(root, target)), `${subpath} is ${target}, which does not exist`);
      continue;
    }
    const source = target["hatchery:source"];
    expect(source !== undefined, `${subpath} has no "hatchery:source"`);
    if (source === undefined) continue;
    expect(existsSync(join(root, source)), `${subpath} is ${source}, which does not exist`);
    const built = source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "");
    expect(target.default === `${built}.js`, `"default" of ${subpath} is not ${built}.js`);
    expect(target.types === `${built}.d.ts`, `"types" of ${subpath} is not ${built}.d.ts`);
    expect(
      Object.keys(target).join() === "hatchery:source,types,default",
      `${subpath} has its conditions in another order`,
    );
  }
  expect(!files.includes("src"), `"files" holds src, but Node.js runs no TypeScript below node_modules`);
  return findings;
}

function said(findings) {
  for (const finding of findings) console.log(finding);
  return findings.length === 0;
}
