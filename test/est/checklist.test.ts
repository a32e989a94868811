import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** docs/est-checklist.md names a test for every demand, and each of these tests is there. */

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const page = readFileSync(join(root, "docs", "est-checklist.md"), "utf8");

interface Row {
  readonly id: string;
  /** The last cell: tests as "`file` title", one beside the other with <br>, or why there are none. */
  readonly tests: string;
}

const rows: readonly Row[] = [...page.matchAll(/^\| ([A-Z]+\d+) \|.*\| (.+) \|$/gm)].map(([, id = "", tests = ""]) => ({
  id,
  tests,
}));

/** What has no test: what Node cannot do, and what belongs to EST over CoAPS (RFC 9148), which is another protocol room. */
const untested = new Set(["E14", "E28", "E29", "E30", "E31", "E32", "E33"]);

test("ok/every demand of the checklist has its row, once", () => {
  const ids = rows.map(({ id }) => id);
  const demands = Array.from({ length: 34 }, (_, at) => `E${at + 1}`);
  assert.deepEqual(
    ids.filter((id) => id.startsWith("E")),
    demands,
  );
  assert.equal(new Set(ids).size, ids.length);
});

for (const { id, tests } of rows) {
  if (untested.has(id)) {
    test(`ok/${id} says why it has no test`, () => assert.match(tests, /^None: [A-Z].+\.$/));
    continue;
  }
  test(`ok/${id} names tests that are there`, () => {
    for (const named of tests.split("<br>")) {
      const [, file = "", title = ""] = /^`([^`]+\.test\.ts)` (.+)$/.exec(named.trim()) ?? [];
      assert.ok(existsSync(join(root, file)) && file !== "", `${named} names no file of tests`);
      assert.ok(hasTest(file, title), `${file} has no test ${title}`);
    }
  });
}

/** Whether a test of that title is written in the file, word for word or as a template of words that are written there too. */
function hasTest(file: string, title: string): boolean {
  const text = readFileSync(join(root, file), "utf8");
  const titles = [...text.matchAll(/\b(?:test|fresh)\(\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g)];
  if (titles.some(([, plain]) => plain === title)) return true;
  const words = text + neighboursOf(file, text);
  return titles.some(([, , template]) => {
    if (template === undefined) return false;
    const parts = template.split(/\$\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    const filled = new RegExp(`^${parts.join("(.+)")}$`).exec(title);
    return filled?.slice(1).every((word) => isWritten(word, words)) ?? false;
  });
}

/** A word stands in quotes, or as the key of a property, or is a number. */
function isWritten(word: string, text: string): boolean {
  const plain = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`["'\`]${plain}["'\`]|^ *${plain}:|\\b${plain}\\b(?=[,\\]])`, "m").test(text);
}

/** The files of the same folder from which the cases of a test come. */
function neighboursOf(file: string, text: string): string {
  const folder = dirname(join(root, file));
  return [...text.matchAll(/from "(\.\/[^"]+)"/g)]
    .map(([, path = ""]) => readFileSync(resolve(folder, path), "utf8"))
    .join("");
}
