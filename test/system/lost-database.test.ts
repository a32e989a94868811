import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { anyPorts, hatchery, type ServiceProcess, startUp, type Up } from "./hatchery.ts";

/** An operator who loses the database; every test goes on where the one before has left the directory. */
describe("system: a database that is gone", { timeout: 60_000 }, () => {
  let parent: string;
  let data: string;
  let backup: string;
  let service: ServiceProcess | undefined;
  let root: unknown;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "hatchery-lost-"));
    data = join(parent, "data");
    backup = join(parent, "backup.db");
  });
  after(async () => {
    service?.kill("SIGKILL");
    await service?.ended;
    await rm(parent, { recursive: true });
  });

  const start = async (directory = data): Promise<Up> => {
    service?.kill("SIGKILL");
    service = startUp(directory);
    return (await service.up) ?? assert.fail((await service.ended).stderr);
  };
  const stop = async () => {
    service?.kill("SIGTERM");
    assert.equal((await service?.ended)?.code, 0);
  };
  const rootOf = async (up: Up) => {
    const { status, body } = await requestUnix(up.socket, { method: "GET", path: "/api/v1/tenants/default/ca" });
    assert.equal(status, 200);
    return body;
  };

  test("fail/it is moved away while the service runs: nothing is promised any more, and the service ends", async () => {
    const up = await start();
    root = await rootOf(up);
    await rename(join(data, "hatchery.db"), backup);
    const body = { verdict: "allow", match: { issuer: "acme" } };
    const { status } = await requestUnix(up.socket, { method: "POST", path: "/api/v1/tenants/default/rules", body });
    assert.ok(status >= 500, `${status}`);
    const { code, stderr } = (await service?.ended) ?? assert.fail();
    assert.equal(code, 1);
    assert.match(stderr, /^error: \S+hatchery\.db was removed or replaced while it was in use.* start again\.$/m);
  });

  test("fail/it is gone when the service starts: no other CA is made", async () => {
    const key = await readFile(join(data, "vault.key"));
    const { code, stdout, stderr } = await hatchery(["up", ...anyPorts, "--data", data]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(
      stderr,
      /^error: the database \S+hatchery\.db is gone; restore .* or choose an empty data directory to begin anew/,
    );
    assert.ok(!(await readdir(data)).includes("hatchery.db"));
    assert.deepEqual(await readFile(join(data, "vault.key")), key);
  });

  test("ok/it is put back: everything is as it was", async () => {
    await rename(backup, join(data, "hatchery.db"));
    assert.deepEqual(await rootOf(await start()), root);
    await stop();
  });

  test("ok/the key is removed too: the service begins anew", async () => {
    await rename(join(data, "hatchery.db"), backup);
    await rename(join(data, "vault.key"), join(parent, "vault.key"));
    assert.notDeepEqual(await rootOf(await start()), root);
    await stop();
  });

  test("ok/a first start that was killed before its first commit is no loss", async () => {
    const killed = join(parent, "killed");
    await start(killed);
    await stop();
    for (const name of await readdir(killed)) if (name.startsWith("hatchery.db")) await rm(join(killed, name));
    await writeFile(join(killed, "hatchery.db"), "", { mode: 0o600 });
    await start(killed);
    await stop();
  });
});
