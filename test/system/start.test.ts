import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  anyPorts,
  hatchery,
  portOf,
  type Running,
  type ServiceProcess,
  startHatchery,
  startUp,
  type Up,
} from "./hatchery.ts";

/** The way of somebody who has just cloned the project; every test goes on where the one before has left the directory. */
describe("system: the newcomer's path", { timeout: 120_000 }, () => {
  let parent: string;
  let data: string;
  let service: Running | undefined;
  /** What the demo has left, as the command line tells it. */
  let found: Inventory;

  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "hatchery-start-"));
    data = join(parent, "data");
  });
  after(async () => {
    service?.kill("SIGKILL");
    await service?.ended;
    await rm(parent, { recursive: true });
  });

  const command = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await hatchery([...args, "--data", data]);
    assert.deepEqual([code, stderr], [0, ""], `hatchery ${args.join(" ")}`);
    return stdout;
  };
  const json = async <T>(...args: readonly string[]): Promise<T> => JSON.parse(await command(...args, "--json")) as T;
  const inventory = async (): Promise<Inventory> => {
    const [devices, runs, own, demo] = await Promise.all([
      json<Listing>("devices", "--tenant", "demo"),
      json<Listing>("runs", "--tenant", "demo"),
      command("ca", "export"),
      command("ca", "export", "--tenant", "demo"),
    ]);
    return { devices: devices.items, runs: runs.items, anchors: { own, demo } };
  };
  const startAgain = async (...args: readonly string[]): Promise<Up> => {
    const started: ServiceProcess = startUp(data, args);
    service = started;
    const up = await started.up;
    if (up === undefined) assert.fail((await started.ended).stderr);
    return up;
  };
  const stop = async (): Promise<void> => {
    service?.kill("SIGTERM");
    assert.equal((await service?.ended)?.code, 0);
  };
  /** The one sentence with which a start is refused. */
  const refused = async (...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await hatchery(["up", ...anyPorts, "--data", data, ...args]);
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, /^error: [^\n]+\n$/);
    return stderr;
  };

  test("fail/a command before the first start says how to start", async () => {
    const { code, stdout, stderr } = await hatchery(["devices", "--data", data]);
    assert.deepEqual([code, stdout], [2, ""]);
    assert.match(
      stderr,
      /^error: no service is running on the data directory \S+; start it with: hatchery up --data \S+\n$/,
    );
  });

  test("fail/a first start that finds its port taken loses neither the data directory nor the demo", async () => {
    const squatter = createServer().listen(0, "127.0.0.1");
    await once(squatter, "listening");
    const { port } = squatter.address() as AddressInfo;
    const { code, stderr } = await hatchery(["up", "--demo", ...anyPorts, "--demo-port", `${port}`, "--data", data]);
    squatter.close();
    assert.equal(code, 1);
    assert.match(stderr, /listens on port \d+ of 127\.0\.0\.1; stop it or choose another port/);
  });

  test("ok/the first start says where it is and shows the demo's run", async () => {
    service = startHatchery(["up", "--demo", "--name", "est.example", ...anyPorts, "--data", data]);
    const said =
      (await service.said(/^try in another terminal:(\n {2}(?:npx --no -- )?hatchery .+)+\n$/m)) ??
      (await service.ended).stderr;
    assert.match(said, /^Run [0-9a-f]{16}: granted\n +device +DEMO-[0-9A-F]{8}\n +variant +est\/idevid$/m);
    assert.match(said, /recorded +by device and coordinator/);
    assert.match(said, /^device certificate +cert\.ldevid +learned +learned +=$/m);
    assert.match(said, /This run confirms every measurable sentence of the survey\./);
    assert.match(said, /^hatchery \d+\.\d+\.\d+ is up; Ctrl-C ends it$/m);
    assert.match(said, /^ +est, default +https:\/\/est\.example:\d+\n +est, demo +https:\/\/est\.example:\d+$/m);
    assert.match(said, new RegExp(`^ +data +${data}$`, "m"));

    assert.match(await command("status"), /^default +est +https:\/\/est\.example:\d+$/m);

    // What it tells to try works as it is printed, and shows the same.
    const [, advice = ""] = said.split("try in another terminal:");
    const lines = [...advice.matchAll(/^ {2}(?:npx --no -- )?hatchery (.+)$/gm)].map(([, line = ""]) => line);
    assert.equal(lines.length, 4, advice);
    for (const line of lines.filter((each) => !each.startsWith("demo remove"))) {
      assert.doesNotMatch(line, /^-/, "npx would take the option for itself");
      const words = line.split(" ");
      assert.equal((await hatchery(words)).code, 0, line);
    }
    assert.ok(said.includes(await command("run", "show", "--tenant", "demo")));
    const compared = await command("compare", "--tenant", "demo");
    for (const variant of ["est/idevid", "est/password", "est/anonymous"])
      assert.ok(compared.includes(variant), compared);
    assert.match(await command("devices", "--tenant", "demo"), /^DEMO-[0-9A-F]{8} +operational/m);
    found = await inventory();
    assert.deepEqual(
      found.devices.map(({ lifecycle }) => lifecycle),
      ["operational"],
    );
    assert.deepEqual(
      found.runs.map(({ outcome }) => outcome),
      ["granted"],
    );
    assert.deepEqual((await json<Listing>("devices")).items, [], "the demo leaves the operator's own tenant alone");
  });

  test("ok/what is kept is for its owner alone", async () => {
    const mode = async (name: string) => ((await stat(join(data, name))).mode & 0o777).toString(8);
    assert.equal(await mode("."), "700");
    for (const name of ["hatchery.db", "hatchery.db-wal", "vault.key", "lock.db", "api.sock", "api.json"])
      assert.equal(await mode(name), "600", name);
    assert.equal(await mode("demo"), "700");
  });

  test("fail/a second service on the same directory", async () => {
    assert.match(await refused(), /Another Hatchery process uses the data directory .*: stop it first/);
    assert.deepEqual(await inventory(), found, "the first one goes on");
  });

  test("ok/a second start finds everything as it was and shows no demo again", async () => {
    await stop();
    const { demo } = await startAgain("--demo");
    assert.equal(demo, undefined);
    assert.deepEqual(await inventory(), found);
  });

  test("fail/a port that is in use", async () => {
    const taken = String(portOf(await restarted(), "default"));
    const elsewhere = join(parent, "elsewhere");
    const { code, stderr } = await hatchery(["up", ...anyPorts, "--port", taken, "--data", elsewhere]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^error: [^\\n]*${taken}[^\\n]* choose another port with --port\\.\\n$`));
  });

  test("fail/a token that is not there is told at the start, although no key is in it yet", async () => {
    const env = { HATCHERY_PKCS11_PIN: "4711" };
    const argv = ["up", ...anyPorts, "--pkcs11", "/nowhere/libpkcs11.so", "--data", join(parent, "elsewhere")];
    const { code, stdout, stderr } = await hatchery(argv, { env });
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /^error: the PKCS#11 module \/nowhere\/libpkcs11\.so cannot be used: /);
  });

  test("ok/a start after kill -9 finds everything as it was", async () => {
    service?.kill("SIGKILL");
    assert.equal((await service?.ended)?.signal, "SIGKILL");
    assert.ok((await stat(join(data, "api.sock"))).isSocket(), "the dead service has left its socket");
    await startAgain("--demo");
    assert.deepEqual(await inventory(), found);
  });

  test("ok/demo remove forgets the demo, for good", async () => {
    assert.equal(await command("demo", "remove"), "the demo is forgotten\n");
    assert.ok(!(await readdir(data)).includes("demo"), "the keys of the demo's device are gone too");
    const left = await inventory();
    assert.deepEqual([left.devices, left.runs], [[], []]);
    assert.equal(left.anchors.own, found.anchors.own);
    assert.notEqual(left.anchors.demo, found.anchors.demo);
    await stop();
    await startAgain("--demo");
    assert.deepEqual(await inventory(), left);
    await stop();
    assert.deepEqual(
      (await readdir(data)).filter((name) => name === "api.sock"),
      [],
    );
  });

  test("fail/a key file that others can read", async () => {
    const key = join(data, "vault.key");
    await chmod(key, 0o644);
    assert.match(await refused(), /vault\.key can be read by other users; run: chmod 600 .*vault\.key/);
    await chmod(key, 0o600);
  });

  test("fail/a key file that is gone is not made anew", async () => {
    const key = join(data, "vault.key");
    const backup = join(parent, "vault.key");
    await rename(key, backup);
    assert.match(await refused(), /there is no \S+vault\.key, .* copy the vault\.key of a service .* or of the backup/);
    assert.match(await refused(), /there is no \S+vault\.key, .* copy the vault\.key of a service .* or of the backup/);
    await rename(backup, key);
    await startAgain();
    assert.equal((await inventory()).anchors.own, found.anchors.own);
    await stop();
  });

  test("fail/another installation's key file", async () => {
    const key = join(data, "vault.key");
    await rename(key, join(parent, "vault.key"));
    await rename(join(parent, "elsewhere", "vault.key"), key);
    assert.match(await refused(), /vault\.key is not the one of this store.*restore/);
  });

  async function restarted(): Promise<Up> {
    await stop();
    return startAgain("--demo");
  }
});

interface Listing {
  readonly items: readonly Readonly<Record<string, unknown>>[];
}

interface Inventory {
  readonly devices: Listing["items"];
  readonly runs: Listing["items"];
  readonly anchors: { readonly own: string; readonly demo: string };
}
