import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { locked } from "./lock.ts";

const directory = () => mkdtemp(join(tmpdir(), "hatchery-lock-"));

test("ok/lock: one after the other, and nothing is left of it", async () => {
  const path = await directory();
  let inside = 0;
  const visit = () =>
    locked(path, async () => {
      inside += 1;
      await new Promise(setImmediate);
      assert.equal(inside, 1);
      inside -= 1;
    });
  await Promise.all([visit(), visit(), visit()]);
  await assert.rejects(
    locked(path, () => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.deepEqual(await readdir(path), []);
});

test("ok/lock: that of a process that has ended, of an earlier one with this number, and of one from long ago", async () => {
  const path = await directory();
  const file = join(path, "lock");
  const { pid } = spawnSync(process.execPath, ["--version"]);
  for (const left of [pid, process.pid, process.ppid]) {
    await writeFile(file, `${left}\n`);
    if (left === process.ppid) await utimes(file, 0, 0);
    assert.equal(await locked(path, async () => "done"), "done");
  }
  assert.deepEqual(await readdir(path), []);
});

test("fail/lock: a directory that is not there", async () => {
  await assert.rejects(
    locked(join(await directory(), "none"), async () => {}),
    { code: "storage-failed" },
  );
});
