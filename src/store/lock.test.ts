import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { lockDirectory } from "./lock.ts";

function inDirectory(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const path = mkdtempSync(join(tmpdir(), "hatchery-lock-"));
    try {
      await body(path);
    } finally {
      rmSync(path, { recursive: true });
    }
  };
}

const inUse = { name: "StoreError", code: "data-in-use" };

test(
  "ok/lock: held until it is released",
  inDirectory((path) => {
    const lock = lockDirectory(path);
    assert.throws(() => lockDirectory(path), inUse);
    assert.throws(() => lockDirectory(path), inUse);
    lock.release();
    lock.release();
    lockDirectory(path).release();
  }),
);

test(
  "ok/lock: makes the directory and its file for the owner only",
  inDirectory((path) => {
    const data = join(path, "new", "data");
    lockDirectory(data).release();
    assert.equal(statSync(data).mode & 0o777, 0o700);
    assert.equal(statSync(join(data, "lock.db")).mode & 0o777, 0o600);
  }),
);

test(
  "ok/lock: ends with the process that held it, however it ends",
  inDirectory(async (path) => {
    const script = `
      const { lockDirectory } = await import(${JSON.stringify(new URL("./lock.ts", import.meta.url).href)});
      lockDirectory(${JSON.stringify(path)});
      // Nobody keeps the lock's object: it has to outlive the garbage collection all the same.
      gc();
      process.stdout.write("held");
      setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(holder, "exit");
    try {
      await once(holder.stdout, "data");
      assert.throws(() => lockDirectory(path), inUse);
    } finally {
      holder.kill("SIGKILL");
      await exit;
    }
    lockDirectory(path).release();
  }),
);

test(
  "fail/lock: a path that cannot be a directory",
  inDirectory((path) => {
    writeFileSync(join(path, "file"), "");
    assert.throws(() => lockDirectory(join(path, "file")), { name: "StoreError", code: "store-failed" });
  }),
);

test("fail/lock: where no directory can be made, at once", () => {
  assert.throws(() => lockDirectory("/proc/hatchery/data"), { name: "StoreError", code: "store-failed" });
});
