import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FileSets, readFileIfThere, writeFileAtomically } from "./files.ts";

const directory = () => mkdtemp(join(tmpdir(), "hatchery-files-"));

test("ok/file: written whole with mode 0600, over an older one and over a draft that a crash left behind", async () => {
  const path = join(await directory(), "key.pem");
  await writeFileAtomically(path, "one");
  await writeFile(`${path}.new`, "half", { mode: 0o644 });
  await writeFileAtomically(path, "two");
  assert.equal(await readFile(path, "utf8"), "two");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(await readFileIfThere(`${path}.new`), undefined);
});

test("ok/sets: the link moves once, the set before stays for late readers, older ones go", async () => {
  const path = await directory();
  const sets = new FileSets(path);
  assert.equal(await sets.read("a"), undefined);
  for (const value of ["1", "2", "3"]) await sets.replace({ a: value, b: value });
  assert.equal((await sets.read("a"))?.toString(), "3");
  assert.equal(await readlink(join(path, "current")), "sets/3");
  assert.deepEqual((await readdir(join(path, "sets"))).sort(), ["2", "3"]);
  for (const [file, mode] of [
    ["sets/3/a", 0o600],
    ["sets/3", 0o700],
    ["sets", 0o700],
  ] as const) {
    assert.equal((await stat(join(path, file))).mode & 0o777, mode, file);
  }
});

test("ok/sets: a set that a crash left half written is never read and goes in time", async () => {
  const path = await directory();
  const sets = new FileSets(path);
  await sets.replace({ a: "1" });
  await mkdir(join(path, "sets", "2"));
  await writeFile(join(path, "sets", "2", "a"), "half");
  assert.equal((await sets.read("a"))?.toString(), "1");
  await sets.replace({ a: "3" });
  await sets.replace({ a: "4" });
  assert.equal((await sets.read("a"))?.toString(), "4");
  assert.deepEqual((await readdir(join(path, "sets"))).sort(), ["3", "4"]);
});

test("fail/files: a directory that is not there, a file that is a directory", async () => {
  const path = await directory();
  await assert.rejects(writeFileAtomically(join(path, "none", "key.pem"), "x"), { code: "storage-failed" });
  await assert.rejects(readFileIfThere(path), { code: "storage-failed" });
});
