import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, readlink, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { FileSets, readFileIfThere, writeFileAtomically } from "./files.ts";

const directory = () => mkdtemp(join(tmpdir(), "hatchery-files-"));

test("ok/file: written whole with mode 0600, over an older one and over a draft that a crash left behind", async () => {
  const path = join(await directory(), "key.pem");
  await writeFileAtomically(path, "one");
  const { pid } = spawnSync(process.execPath, ["--version"]);
  // The other process had this one's number, as in a container that was started anew.
  for (const writer of [`${pid}-1`, `${process.pid}-1`])
    await writeFile(`${path}.${writer}-1.new`, "half", { mode: 0o644 });
  await writeFileAtomically(path, "two");
  assert.equal(await readFile(path, "utf8"), "two");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(dirname(path)), ["key.pem"]);
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

test("fail/sets: a set that cannot be written leaves nothing behind, and the one before holds", async () => {
  const path = await directory();
  const sets = new FileSets(path);
  await sets.replace({ a: "1" });
  await assert.rejects(sets.replace({ a: "2", "no/such": "x" }), { code: "storage-failed" });
  assert.deepEqual(await readdir(join(path, "sets")), ["1"]);
  assert.deepEqual((await readdir(path)).sort(), ["current", "sets"]);
  assert.equal((await sets.read("a"))?.toString(), "1");
});

test("ok/sets: what is read together is of one set, however often another one becomes current", async () => {
  const sets = new FileSets(await directory());
  await sets.replace({ a: "0", b: "0" });
  let done = false;
  const writing = (async () => {
    for (let number = 1; number <= 40; number += 1) await sets.replace({ a: `${number}`, b: `${number}` });
    done = true;
  })();
  while (!done) {
    const set = await sets.readTogether(["a", "b"]);
    assert.equal(set?.a?.toString(), set?.b?.toString());
    assert.ok(set?.a !== undefined);
  }
  await writing;
});

test("fail/files: a directory that is not there, a file that is a directory", async () => {
  const path = await directory();
  await assert.rejects(writeFileAtomically(join(path, "none", "key.pem"), "x"), { code: "storage-failed" });
  await assert.rejects(readFileIfThere(path), { code: "storage-failed" });
});
