import assert from "node:assert/strict";
import { test } from "node:test";
import { importsOf } from "./imports.js";

const specifiers = (source) => importsOf(source).map(({ specifier }) => specifier);

test("ok/every form of import is found, and whether it remains at run time", () => {
  const cases = [
    ['import "a";', "a", false],
    ['import a from "a";', "a", false],
    ['import * as a from "a";', "a", false],
    ['import b, { c as d } from "a";', "a", false],
    ['import {\n  type B,\n  c,\n} from "a";', "a", false],
    ['import { type B } from "a";', "a", false],
    ['import type { B } from "a";', "a", true],
    ['import type B from "a";', "a", true],
    ['import type * as B from "a";', "a", true],
    ['import type from "a";', "a", false],
    ['export * from "a";', "a", false],
    ['export * as b from "a";', "a", false],
    ['export { b, c } from "a";', "a", false],
    ['export type { B } from "a";', "a", true],
    ['export type * from "a";', "a", true],
    ["const a = await import('a');", "a", false],
    ['const a = await import("a", { with: { type: "json" } });', "a", false],
    ['let a: typeof import("a");', "a", false],
    ['call(...import("a"));', "a", false],
    ['const a = require("a");', "a", false],
    ['const a = process.getBuiltinModule("a");', "a", false],
    ["const a = await import(name);", undefined, false],
    ["const a = await import(`a`);", undefined, false],
    ['const a = await import("a" + b);', undefined, false],
    ['const a = await import("\\x61");', undefined, false],
    ["const a = c ? import(name) : b;", undefined, false],
  ];
  for (const [source, specifier, typeOnly] of cases)
    assert.deepEqual(importsOf(source), [{ specifier, typeOnly, line: 1 }], source);
});

test("ok/what only looks like an import is none", () => {
  const cases = [
    '// import "a";',
    '/* import "a"; */',
    '/** `import a from "a"` */ const b = 1;',
    "const b = 'import \"a\"';",
    `const b = \`import "a"; \${c} import 'a';\`;`,
    'const b = /import "a"/;',
    'const b = /[/"]import "a"/.test(c);',
    'if (b) /"/.test(c), /import "a"/.exec(d);',
    "const b = import.meta.url;",
    'archive.import("a");',
    "interface Archive { import(file: string): void; require(name: string): void }",
    "const archive = { import(file) { return file; } };",
    "export const from = 1;",
    'export { b };\nconst from = "a";',
    'export type B = "a";',
    "const b = { import: c, export: d };",
  ];
  for (const source of cases) assert.deepEqual(importsOf(source), [], source);
});

test("ok/an import after a construct that could mislead the scanner is still found", () => {
  const cases = [
    "const b = c / d; const e = '/';",
    "const b = c! / d; const e = f / g;",
    "const b = c++ / d; const e = '/';",
    "const b = list[0] / 2; const e = (f) / g;",
    "const b = { c: 1 } / 2; const e = '/';",
    "function b() {}\n/[\"'`]/.test(c);",
    "return /[\"'`/]/u;",
    `const b = \`\${\`}\${"\`"}\` + c}"\`;`,
    "const b = `a $ {b} \\` \\${`;",
    "const b = 'it\\'s';",
    'const b = "a \\\n b";',
    "#!/usr/bin/env node\n",
    "type B<C> = C extends Array<infer D> ? D : never;",
    "class B { #c = 1; d() { return this.#c / 2; } }",
    "const b = 1_000n / 2n / 3n;",
  ];
  for (const source of cases) assert.deepEqual(specifiers(`${source}\nimport "found";`), ["found"], source);
});

test("ok/the line is the one where the declaration begins", () => {
  const source = 'const a = `\n\n`;\n/*\n*/ import {\n  b,\n} from "c";\nimport "d";\n';
  assert.deepEqual(
    importsOf(source).map(({ line }) => line),
    [5, 8],
  );
});

test("ok/broken sources end", () => {
  for (const source of ["`", "`${", "'", "/*", "import {", "import(", "export {", "}", "/["])
    assert.ok(importsOf(source).length <= 1, source);
});
