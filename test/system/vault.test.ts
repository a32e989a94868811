import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { codeOf } from "../../src/core/errors.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { anyPorts, type HatcheryOptions, hatchery, type ServiceProcess, startUp, type Up } from "./hatchery.ts";

/** An operator who changes the vault's keys; every test goes on where the one before has left the directory. */
describe("system: the vault", { timeout: 120_000 }, () => {
  let parent: string;
  let data: string;
  let passphraseFile: string;
  let service: ServiceProcess | undefined;
  let root: string;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "hatchery-vault-"));
    data = join(parent, "data");
    passphraseFile = join(parent, "passphrase");
    await writeFile(passphraseFile, "six random words of mine\n", { mode: 0o600 });
  });
  after(async () => {
    service?.kill("SIGKILL");
    await service?.ended;
    await rm(parent, { recursive: true });
  });

  const start = async (args: readonly string[] = [], options: HatcheryOptions = {}): Promise<Up> => {
    service = startUp(data, args, options);
    return (await service.up) ?? assert.fail((await service.ended).stderr);
  };
  const stop = async () => {
    service?.kill("SIGTERM");
    assert.equal((await service?.ended)?.code, 0);
  };
  const command = async (args: readonly string[], options: HatcheryOptions = {}) => {
    const { code, stdout, stderr } = await hatchery([...args, "--data", data], options);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const status = async () => JSON.parse(await command(["vault", "status", "--json"])) as Status;
  /** The one sentence with which a start is refused. */
  const refused = async (args: readonly string[] = [], options: HatcheryOptions = {}): Promise<string> => {
    const { code, stdout, stderr } = await hatchery(["up", ...anyPorts, "--data", data, ...args], options);
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, /^error: [^\n]+\n$/);
    return stderr;
  };

  test("ok/made under a passphrase, and opened by it alone", async () => {
    await start(["--vault", "passphrase", "--vault-passphrase-file", passphraseFile]);
    root = await command(["ca", "export"]);
    const { source, keys } = await status();
    assert.deepEqual([source, keys.length, keys[0]?.state], ["passphrase", 1, "current"]);
    assert.match(await command(["vault", "status"]), /has its key from: passphrase/);
    await stop();
    assert.match(await refused(), /opened by a passphrase; start on a terminal, or with --vault-passphrase-file/);
    const wrong = join(parent, "wrong");
    await writeFile(wrong, "six random words of yours\n", { mode: 0o600 });
    assert.match(await refused(["--vault-passphrase-file", wrong]), /the passphrase is not the one of this vault/);
    assert.match(await refused(["--vault", "file"]), /from: passphrase; .* hatchery vault rekey --to file/);
  });

  test("ok/re-keyed to the environment while it runs, and the old key opens nothing", async () => {
    await start(["--vault-passphrase-file", passphraseFile]);
    const old = await readFile(join(data, "vault.key"));
    const before = (await status()).keys[0]?.id;
    await command(["vault", "rekey", "--to", "env"], { env: { HATCHERY_VAULT_KEY: key } });
    const { source, keys } = await status();
    assert.deepEqual([source, keys.length], ["env", 1]);
    assert.notEqual(keys[0]?.id, before);
    const audit = await command(["audit", "list"]);
    assert.match(audit, /vault-rekey-begin/);
    assert.match(audit, /vault-rekey /);
    await stop();
    assert.match(await refused(), /set HATCHERY_VAULT_KEY/);
    const other = Buffer.alloc(32, 8).toString("base64");
    assert.match(await refused([], { env: { HATCHERY_VAULT_KEY: other } }), /not the one of this vault/);
    const now = await readFile(join(data, "vault.key"));
    await writeFile(join(data, "vault.key"), old);
    assert.match(await refused(["--vault-passphrase-file", passphraseFile]), /is not the one of this store/);
    await writeFile(join(data, "vault.key"), now);
  });

  test("ok/killed at each commit of a re-key, a later start finishes it and everything opens", async () => {
    const env = { HATCHERY_VAULT_KEY: key };
    await start([], { env });
    await command(["vault", "rekey", "--to", "file"]);
    await stop();
    const preload = new URL("../crash/preload.ts", import.meta.url);
    let midway = 0;
    for (const point of ["hatchery:commit:before", "hatchery:commit:after"])
      for (let nth = 3; nth <= 5; nth += 1) {
        const up = await start([], { preload, env: { HATCHERY_TEST_KILL: `${point}#${nth}` } }).catch(() => undefined);
        if (up !== undefined) await rekeyOrDie(up);
        service?.kill("SIGKILL");
        const { signal, stderr } = (await service?.ended) ?? assert.fail();
        assert.equal(signal, "SIGKILL", stderr);
        midway += dataKeys(data) === 2 ? 1 : 0;
        await start();
        assert.equal(await command(["ca", "export"]), root);
        for (;;) {
          const { keys, problem } = await status();
          assert.equal(problem, undefined);
          if (keys.length === 1) break;
        }
        await stop();
        assert.deepEqual(
          (await readdir(data)).filter((name) => name.startsWith("vault.key")),
          ["vault.key"],
        );
      }
    assert.ok(midway >= 2, `${midway} kills were between the first and the last commit of a re-key`);
  });
});

/** Re-keys; returns when that is done, or when the service is dead. */
async function rekeyOrDie({ socket }: Up): Promise<void> {
  try {
    await requestUnix(socket, { method: "POST", path: "/api/v1/vault/rekey", body: {} });
    for (;;) {
      const { body } = await requestUnix(socket, { method: "GET", path: "/api/v1/vault" });
      if ((body as Status).keys.length === 1) return;
    }
  } catch (error) {
    assert.match(codeOf(error), /^(?:association-closed|service-not-running)$/);
  }
}

function dataKeys(data: string): number {
  const database = new DatabaseSync(join(data, "hatchery.db"));
  const rows = database.prepare("select id from vault_keys").all();
  database.close();
  return rows.length;
}

interface Status {
  readonly source: string;
  readonly keys: readonly { readonly id: string; readonly state: string }[];
  readonly problem?: string;
}

const key = Buffer.alloc(32, 7).toString("base64");
