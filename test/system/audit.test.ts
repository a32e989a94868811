import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { hatchery, type ServiceProcess, startUp } from "./hatchery.ts";

/** Somebody with the database in their hands; every test goes on where the one before has left the directory. */
describe("system: the audit", { timeout: 60_000 }, () => {
  let parent: string;
  let data: string;
  let service: ServiceProcess;
  let exported: string;
  let head: string;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "hatchery-audit-"));
    data = join(parent, "data");
    exported = join(parent, "audit.jsonl");
    await start();
  });
  after(async () => {
    service.kill("SIGKILL");
    await service.ended;
    await rm(parent, { recursive: true });
  });

  const start = async () => {
    service = startUp(data, ["--log-level", "error"]);
    (await service.up) ?? assert.fail((await service.ended).stderr);
  };
  const restartAfter = async (change: (database: DatabaseSync) => void) => {
    service.kill("SIGTERM");
    const { stderr } = await service.ended;
    const database = new DatabaseSync(join(data, "hatchery.db"));
    change(database);
    database.close();
    await start();
    return stderr;
  };
  const run = (...args: readonly string[]) => hatchery([...args, "--data", data]);
  const line = (stderr: string) => stderr.split("\n")[0];

  test("ok/list, verify, export, and verify the export without a service", async () => {
    for (const serial of ["SN-1", "SN-2", "SN-3"]) assert.equal((await run("claim", serial)).code, 0);
    const listed = await run("audit", "list");
    assert.match(listed.stdout, /^line +when +who +did +what +why\n4 .* administrator +claim +SN-3/);
    const verified = await run("audit", "verify");
    assert.deepEqual([verified.code, verified.stderr], [0, ""]);
    assert.match(verified.stdout, /^the chain holds: 4 lines\nhead: 4:[0-9a-f]{64}\n$/);
    head = /4:[0-9a-f]{64}/.exec(verified.stdout)?.[0] ?? "";
    const written = await run("audit", "export", "--out", exported);
    assert.deepEqual([written.code, written.stderr], [0, `wrote 4 lines; head: ${head}\n`]);
    const piped = await run("audit", "export");
    assert.equal(piped.stdout, await readFile(exported, "utf8"));
    const offline = await hatchery(["audit", "verify", "--file", exported, "--head", head, "--json"]);
    assert.deepEqual(JSON.parse(offline.stdout), {
      verified: 4,
      head: { sequence: 4, hash: head.slice(2) },
    });
  });

  test("fail/verify an export that was changed, cut or is something else", async () => {
    const text = await readFile(exported, "utf8");
    const lines = text.trimEnd().split("\n");
    const verdict = async (content: string, ...more: readonly string[]) => {
      const file = join(parent, "changed.jsonl");
      await writeFile(file, content);
      const { code, stderr } = await hatchery(["audit", "verify", "--file", file, ...more]);
      assert.equal(code, 1);
      return stderr;
    };
    assert.match(await verdict(text.replace("SN-2", "SN-9")), /line 3 is not as it was written; the 2 before it hold/);
    assert.match(await verdict(lines.toSpliced(1, 1).join("\n")), /line 2 is missing; the 1 before it hold/);
    assert.match(await verdict(lines.slice(0, 3).join("\n"), "--head", head), /does not hold line 4 as it was noted/);
    const twice = text.replace('"actor":"administrator"', '"actor":"nobody","actor":"administrator"');
    assert.match(await verdict(twice), /cannot be read at line \d: it is no line of an exported audit/);
    assert.match(await verdict("hello\n"), /cannot be read at line 1: it is no line of an exported audit/);
    assert.match(await verdict(`${lines[0]}\n{"sequence":2}\n`), /cannot be read at line 2: it is no line of/);
    const misspelt = await hatchery(["audit", "verify", "--file", exported, "--head", "4:abc"]);
    assert.equal(misspelt.code, 2);
  });

  test("ok/verify again after a restart, against the head that was noted", async () => {
    await restartAfter(() => {});
    assert.equal((await run("claim", "SN-4")).code, 0);
    assert.equal((await run("audit", "verify", "--head", head)).code, 0);
  });

  test("fail/verify: the end was cut off while the service was stopped", async () => {
    await restartAfter((database) => void database.exec("delete from audit where tenant = 'default' and sequence > 3"));
    const { code, stderr } = await run("audit", "verify");
    assert.equal(code, 1);
    assert.match(line(stderr) ?? "", /^error: the audit of the tenant default does not hold line 5 as it was noted/);
    assert.equal((await run("audit", "verify", "--head", head)).code, 1);
    // It goes on behind what is left, and what was cut off stays told.
    assert.equal((await run("claim", "SN-5")).code, 0);
    assert.equal((await run("audit", "verify")).code, 1);
    const stopped = await restartAfter(() => {});
    assert.match(stopped, /"tenant":"default".*the audit does not hold the line that was noted of it/);
  });

  test("fail/verify: a line was changed", async () => {
    await restartAfter(
      (database) => void database.exec("update audit set subject = 'SN-9' where tenant = 'default' and sequence = 2"),
    );
    const { code, stderr } = await run("audit", "verify", "--json");
    assert.equal(code, 1);
    assert.match(line(stderr) ?? "", /line 2 is not as it was written; the 1 before it hold/);
  });

  test("fail/usage: verify without a service", async () => {
    const { code, stderr } = await hatchery(["audit", "verify", "--data", join(parent, "nothing")]);
    assert.equal(code, 2);
    assert.match(stderr, /hatchery up/);
  });
});
