import assert from "node:assert/strict";
import { Stats } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requireOwn, requireOwnPath } from "./ownership.ts";

const directory = () => mkdtemp(join(tmpdir(), "hatchery-ownership-"));

/** What `lstat` says of a directory, but for owner and mode. */
async function entry(uid: number, mode: number): Promise<Stats> {
  return Object.assign(Object.create(Stats.prototype) as Stats, await lstat(tmpdir()), { uid, mode: 0o040_000 | mode });
}

for (const [name, user, uid, mode] of [
  ["the user's own", 1000, 1000, 0o700],
  ["the user's own, which all may read", 1000, 1000, 0o755],
  ["root's", 1000, 0, 0o755],
] as const)
  test(`ok/owner: ${name}`, async () => requireOwn("x", await entry(uid, mode), user));

for (const [name, user, uid, mode, sentence] of [
  ["another user's", 1000, 1001, 0o700, /^x belongs to another user \(1001\)/],
  ["a user's, for root", 0, 1001, 0o700, /^x belongs to another user \(1001\)/],
  ["one that the group may write", 1000, 1000, 0o770, /chmod go-w x$/],
  ["one that everybody may write", 1000, 1000, 0o777, /chmod go-w x$/],
  ["root's, which everybody may write", 1000, 0, 0o1777, /chmod go-w x$/],
] as const)
  test(`fail/owner: ${name}`, async () => {
    const found = await entry(uid, mode);
    assert.throws(() => requireOwn("x", found, user), { code: "storage-open-to-others", message: sentence });
  });

test("ok/path: own, own through a link, and none at all", async () => {
  const path = await directory();
  await mkdir(join(path, "set"), { mode: 0o700 });
  await symlink("set", join(path, "current"));
  await requireOwnPath(path);
  await requireOwnPath(join(path, "current"));
  await requireOwnPath(join(path, "nothing"));
});

test("fail/path: what a link leads to counts", async () => {
  const path = await directory();
  await mkdir(join(path, "set"));
  await chmod(join(path, "set"), 0o777);
  await symlink("set", join(path, "current"));
  await assert.rejects(requireOwnPath(join(path, "current")), { code: "storage-open-to-others" });
});

test("fail/path: a file in the place of a directory above", async () => {
  const path = await directory();
  await writeFile(join(path, "file"), "");
  await assert.rejects(requireOwnPath(join(path, "file", "key.pem")), { code: "storage-failed" });
});
