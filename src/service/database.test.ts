import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { codeOf, messageOf } from "../core/errors.ts";
import { openDatabase } from "./database.ts";
import { noteDatabase } from "./database-note.ts";

const shown = "postgres://hatchery@db.example:5432/hatchery";

async function directory(t: TestContext): Promise<string> {
  const data = await mkdtemp(join(tmpdir(), "hatchery-database-"));
  t.after(() => rm(data, { recursive: true }));
  return data;
}

for (const [what, left] of [
  ["its key is there", ["vault.key"]],
  ["its key is gone as well", []],
  ["a file from before is there", ["vault.key", "hatchery.db"]],
] as const)
  test(`fail/database: the records are in PostgreSQL, which nobody named; ${what}`, async (t) => {
    const data = await directory(t);
    for (const name of left) await writeFile(join(data, name), "", { mode: 0o600 });
    noteDatabase(data, shown);
    const before = await readdir(data);
    await assert.rejects(openDatabase(data, undefined), {
      code: "store-missing",
      message: `the records of this data directory are in PostgreSQL (${shown}): give --database or HATCHERY_DATABASE`,
    });
    assert.deepEqual(await readdir(data), before);
  });

test("fail/database: the file is gone; nobody is told to remove the key", async (t) => {
  const data = await directory(t);
  await writeFile(join(data, "vault.key"), "", { mode: 0o600 });
  await assert.rejects(openDatabase(data, undefined), (error) => {
    assert.equal(codeOf(error), "store-missing");
    assert.match(messageOf(error), /hatchery\.db is gone.* one backup.* --database/);
    assert.doesNotMatch(messageOf(error), /remove|delete/);
    return true;
  });
});

test("ok/database: a note that nobody understands is none, and the next one replaces it", async (t) => {
  const data = await directory(t);
  await writeFile(join(data, "database.json"), '{"database":');
  const { store } = await openDatabase(data, undefined);
  await store.close();
  noteDatabase(data, shown);
  assert.deepEqual(JSON.parse(await readFile(join(data, "database.json"), "utf8")), { database: shown });
  assert.equal((await stat(join(data, "database.json"))).mode & 0o777, 0o600);
  await assert.rejects(openDatabase(data, undefined), { code: "store-missing" });
});
