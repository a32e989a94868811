import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { utf8 } from "../src/core/bytes.ts";
import { codeOf } from "../src/core/errors.ts";
import { publicKeyOf, verifySignature } from "../src/crypto/keys.ts";
import { type TokenKeys, tokenKeys } from "../src/pkcs11/index.ts";
import { formOf } from "../test/system/secret-search.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { checkCertificate } from "./openssl.ts";
import { command, type InteropContext, type InteropPeer, installDebianPackages, type Log, succeed } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "pkcs11",
  peer: "softhsm",
  install: (log) => installDebianPackages(["softhsm2", "opensc", "openssl"], log),
  async version() {
    return `SoftHSM ${(await succeed("softhsm2-util", ["--version"])).trim()}`;
  },
  variants: [
    variant("ca-keys", async (bench) => {
      const { directory } = bench;
      const password = join(directory, "password");
      writeFileSync(password, "correct-horse-battery-staple", { mode: 0o600 });
      const device = join(directory, "device");
      await withService(bench, async (hatchery) => {
        await hatchery.cli("est", "user", "add", "sensor-1", "--password-file", password);
        const asked = ["--url", hatchery.url, "--ca", hatchery.root, "--name", "sensor-1", "--user", "sensor-1"];
        await hatchery.cli("device", "est", ...asked, "--password-file", password, "--out", device);
        await checkDevice(hatchery, device, directory);
      });
      const objects = await listObjects(bench);
      for (const name of ["default/root-1", "default/issuing-1", "demo/root-1", "demo/issuing-1"])
        assert.match(objects, new RegExp(`label: +${name}\\n`), objects);
      assert.match(objects, /Access: +sensitive, always sensitive, never extractable, local/);
      // No key in the store, and the same CA after a restart.
      await withService(bench, async (hatchery) => {
        await hatchery.cli("device", "est", "--url", hatchery.url, "--renew", "--out", device);
        await checkDevice(hatchery, device, directory);
      });
      assert.equal(await listObjects(bench), objects, "a restart makes no keys");
      for (const file of ["hatchery.log", "data/hatchery.db"])
        assert.equal(formOf(utf8(pin), readFileSync(join(directory, file))), undefined, `the PIN is in ${file}`);
      return "a device was onboarded and, after a restart, renewed under a CA whose keys never left the token; pkcs11-tool lists them as never extractable";
    }),

    variant("roll-over", (bench) =>
      withService(bench, async (hatchery) => {
        for (const step of ["begin", "switch"]) await hatchery.cli("ca", "rollover", step);
        assert.match(await listObjects(bench), /label: +default\/issuing-2\n/);
        return "the next generation of the CA has its keys in the token too";
      }),
    ),

    variant("wrong-pin", async (bench) => {
      writeFileSync(bench.pinFile, "0000", { mode: 0o600 });
      await assert.rejects(
        withService(bench, async () => {}),
        /refuses the PIN; it is not tried again/,
      );
      const keys = tokenKeys({ module: bench.module, token: label, pin: "0000" });
      for (let round = 0; round < 20; round += 1)
        await assert.rejects(keys.signer(`pkcs11:token=${label};object=none`), { code: "hsm-pin-wrong" });
      await keys.close();
      writeFileSync(bench.pinFile, pin, { mode: 0o600 });
      await withService(bench, async () => {});
      return "each process tries a wrong PIN once; the token is not locked and opens with the right one";
    }),

    variant("faults", async ({ module, directory }) => {
      await withToken({ module, token: "missing", pin }, async (keys) => {
        await assert.rejects(keys.generate("x", randomBytes(16), "P-256"), { code: "hsm-token-missing" });
      });
      await withToken({ module: join(directory, "none.so"), token: label, pin }, async (keys) => {
        await assert.rejects(keys.generate("x", randomBytes(16), "P-256"), { code: "hsm-module" });
      });
      await withToken({ module, token: label, pin }, async (keys) => {
        await assert.rejects(keys.signer(`pkcs11:token=${label};object=none`), { code: "hsm-key-missing" });
        const { uri } = await keys.generate("killed", randomBytes(16), "P-256");
        const signer = await keys.signer(uri);
        const data = utf8("to be signed");
        for (let round = 0; round < 10; round += 1) {
          const answers = [1, 2, 3].map(() => Promise.resolve(signer.sign(data)).catch(codeOf));
          kill(keys, "SIGKILL");
          for (const answer of await Promise.all(answers))
            assert.ok(
              typeof answer === "string"
                ? answer === "hsm-crashed"
                : verifySignature(publicKeyOf(signer.publicKey), signer.algorithm, data, answer),
            );
        }
        kill(keys, "SIGSTOP");
        await assert.rejects(async () => signer.sign(data), { code: "hsm-timeout" });
        assert.ok(await signer.sign(data));
      });
      return "a missing token, module and key, a killed process and one that hangs end with a code of their own, and the next signature is made";
    }),

    variant("figures", async ({ module, log }) => {
      await withToken({ module, token: label, pin }, async (keys) => {
        for (const kind of ["P-256", "P-384", "RSA-2048", "RSA-3072"] as const) {
          const { signer } = await keys.generate(kind, randomBytes(16), kind);
          const data = utf8("to be signed");
          await signer.sign(data);
          const [start, cpu] = [performance.now(), process.cpuUsage()];
          for (let count = 0; count < signatures; count += 1) await signer.sign(data);
          const { user, system } = process.cpuUsage(cpu);
          const each = (microseconds: number) => (microseconds / signatures).toFixed(0);
          log(
            `${kind}: ${each((performance.now() - start) * 1000)} us each, ${each(user + system)} us CPU of the service`,
          );
        }
      });
      return "signatures of P-256, P-384 and RSA keys, each verified before it is used";
    }),
  ],
};
export default peer;

interface Bench {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly log: Log;
  readonly module: string;
  readonly pinFile: string;
}

/** A variant with an initialised token of its own. */
function variant(name: string, run: (bench: Bench) => Promise<string>): InteropPeer["variants"][number] {
  return {
    name,
    role: "PKCS#11 application",
    async run({ directory, signal, log }: InteropContext) {
      const tokens = join(directory, "tokens");
      mkdirSync(tokens, { mode: 0o700 });
      const configuration = join(directory, "softhsm2.conf");
      writeFileSync(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
      process.env["SOFTHSM2_CONF"] = configuration;
      await succeed("softhsm2-util", ["--init-token", "--free", "--label", label, "--so-pin", soPin, "--pin", pin]);
      const pinFile = join(directory, "pin");
      writeFileSync(pinFile, `${pin}\n`, { mode: 0o600 });
      return run({ directory, signal, log, module: modulePath(), pinFile });
    },
  };
}

function withService<Result>(
  { directory, signal, module, pinFile }: Bench,
  use: (hatchery: Hatchery) => Promise<Result>,
): Promise<Result> {
  const options = ["--pkcs11", module, "--pkcs11-token", label, "--pkcs11-pin-file", pinFile];
  return withHatchery({ directory, signal, options }, use);
}

async function withToken(
  options: Parameters<typeof tokenKeys>[0],
  use: (keys: TokenKeys) => Promise<void>,
): Promise<void> {
  const keys = tokenKeys(options);
  try {
    await use(keys);
  } finally {
    await keys.close();
  }
}

async function listObjects({ module }: Bench): Promise<string> {
  const { output } = await command("pkcs11-tool", ["--module", module, "--token-label", label, "--pin", pin, "-O"]);
  return output;
}

async function checkDevice(hatchery: Hatchery, device: string, directory: string): Promise<void> {
  const issuing = join(directory, "issuing.pem");
  writeFileSync(issuing, await hatchery.cli("ca", "export", "--issuing"));
  const current = join(device, "current");
  assert.ok(existsSync(current));
  const wanted = { key: join(current, "key.pem"), commonName: "sensor-1" };
  await checkCertificate(join(current, "cert.pem"), { root: hatchery.root, issuing }, wanted);
}

function kill(keys: TokenKeys, signal: NodeJS.Signals): void {
  const pid = keys.pid();
  if (pid !== undefined) process.kill(pid, signal);
}

function modulePath(): string {
  const found = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"].find((path) =>
    existsSync(path),
  );
  return found ?? assert.fail("SoftHSM's library is not where Debian puts it");
}

const label = "hatchery";
const pin = readFileSync("/proc/sys/kernel/random/uuid", "utf8").slice(0, 13);
const soPin = readFileSync("/proc/sys/kernel/random/uuid", "utf8").slice(0, 13);
const signatures = 300;
