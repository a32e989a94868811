import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { currentIdentity, estStorage } from "../../src/device/index.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";
import { hatchery, type Running, startHatchery } from "../system/hatchery.ts";

/** A device that is killed while it trusts a server for the first time, and one that is killed while it goes on renewing. */
describe("crash: kill -9 of a device's life", { concurrency: 2, timeout: 240_000 }, () => {
  let service: TestService;
  before(async () => {
    service = await startService();
    await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
  });
  after(() => service.close());

  test("ok/bootstrap: the same command goes on, and nothing is trusted by halves", { concurrency: 2 }, async (t) => {
    const whole = await newcomer(service, "bootstrap-0");
    const { code, stderr } = await hatchery(whole.args, observed(whole.directory));
    assert.equal(code, 0, stderr);
    const steps = await stepsOf(whole.directory);
    // What comes after the pending key is the same as without a bootstrap.
    const last = steps.findIndex((name) => name.includes("pending-key.pem"));
    assert.ok(last > 4, steps.join(", "));
    const chosen = steps.slice(0, last + 1).map((name, index) => ({ name, nth: index + 1 }));
    await Promise.all(
      chosen
        .filter(({ nth }) => nth % 2 === 0)
        .map(({ name, nth }) =>
          t.test(`ok/killed after its step ${nth}: ${name}`, async () => {
            const device = await newcomer(service, `bootstrap-${nth}`);
            const { signal, stderr } = await hatchery(device.args, observed(device.directory, nth));
            assert.equal(signal, "SIGKILL", stderr);
            const kept = await estStorage(device.directory).anchors();
            assert.deepEqual(kept?.map(hex) ?? [hex(service.root)], [hex(service.root)]);
            const again = await hatchery(device.args);
            assert.equal(again.code, 0, again.stderr);
            assert.equal((await certificatesOf(service, device.name)).length, 1, "nothing was granted twice");
            assert.deepEqual((await readdir(device.directory)).toSorted(), ["current", "sets"]);
          }),
        ),
    );
  });

  test("ok/renewing: started again it goes on, with the key that was kept", { concurrency: 2 }, async (t) => {
    const whole = await renewer(service, "renewing-0");
    const first = startHatchery(whole.args, observed(whole.directory, undefined, true));
    await renewedOnce(first);
    const steps = await stepsOf(whole.directory);
    assert.ok(
      steps.some((name) => name.includes("exec-done")),
      steps.join(", "),
    );
    const chosen = steps.map((name, index) => ({ name, nth: index + 1 })).filter(({ nth }) => nth % 4 === 0);
    await Promise.all(
      chosen.map(({ name, nth }) =>
        t.test(`ok/killed after its step ${nth}: ${name}`, async () => {
          const device = await renewer(service, `renewing-${nth}`);
          const old = await leafOf(device.directory);
          const { signal, stderr } = await startHatchery(device.args, observed(device.directory, nth, true)).ended;
          assert.equal(signal, "SIGKILL", stderr);
          const isInstalled = (await leafOf(device.directory)) !== old;
          const pending = await estStorage(device.directory).pendingKey();

          await renewedOnce(startHatchery(device.args, observed(device.directory, undefined, true)));
          const identity = await currentIdentity(device.directory);
          assert.ok(identity);
          if (pending !== undefined)
            assert.equal(hex(identity.key.signer.publicKey), hex(pending.signer.publicKey), "the key that was kept");
          // Installed before it was killed, the new certificate is old by its clock as well, and so is renewed in turn.
          assert.equal(
            (await certificatesOf(service, device.name)).length,
            isInstalled ? 3 : 2,
            "none was granted twice",
          );
          const told = await readFile(`${device.directory}.told`, "utf8");
          assert.ok(
            told.includes(await leafOf(device.directory)),
            "the program has run for the certificate that is there",
          );
        }),
      ),
    );
  });
});

interface LivingDevice {
  readonly name: string;
  readonly directory: string;
  readonly args: readonly string[];
}

async function newcomer(service: TestService, name: string): Promise<LivingDevice> {
  const directory = join(service.data, "devices", name);
  const { certificate, key } = await service.factory.makeDevice(name);
  await mkdir(dirname(directory), { recursive: true });
  await writeFile(`${directory}.crt`, encodePem("CERTIFICATE", certificate));
  await writeFile(`${directory}.key`, privateKeyToPem(key));
  const fingerprint = createHash("sha256").update(service.root).digest("hex");
  const identity = ["--name", name, "--cert", `${directory}.crt`, "--key", `${directory}.key`];
  return { name, directory, args: [...command(service, directory), "--fingerprint", fingerprint, ...identity] };
}

/** A device with a certificate that is old by its clock, and a program that notes the serial number of each new one. */
async function renewer(service: TestService, name: string): Promise<LivingDevice> {
  const directory = join(service.data, "devices", name);
  await enrolDevice(service, "simpleenroll", name, { identity: await manufactured(service, name) });
  const hook = `${directory}.hook`;
  await writeFile(hook, `#!/bin/sh\nopenssl x509 -in "$HATCHERY_CERT" -noout -serial >> ${directory}.told\n`);
  await chmod(hook, 0o755);
  return { name, directory, args: [...command(service, directory), "--renew", "--watch", "--exec", hook, "--json"] };
}

function command(service: TestService, directory: string): readonly string[] {
  return ["device", "est", "--url", `https://127.0.0.1:${service.port}`, "--out", directory];
}

/** The steps of the device are counted, and it is killed after its step number `nth`; `later`: its clock is ahead. */
function observed(directory: string, nth?: number, later = false) {
  const ahead = { NODE_OPTIONS: `--import ${new URL("../est/later-preload.ts", import.meta.url)}` };
  return {
    preload: new URL("device-preload.ts", import.meta.url),
    env: {
      HATCHERY_TEST_DIRECTORY: directory,
      HATCHERY_TEST_STEPS: `${directory}.steps`,
      ...(nth === undefined ? {} : { HATCHERY_TEST_STEP: String(nth) }),
      ...(later ? { ...ahead, HATCHERY_TEST_LATER: `${250 * 86_400_000}` } : {}),
    },
  };
}

/** Until it has renewed and its program has run; then it is told to end. */
async function renewedOnce(device: Running): Promise<void> {
  assert.ok(await device.said(executedForRenewed), "it has renewed, and its program has run");
  device.kill("SIGTERM");
  const { code, stderr } = await device.ended;
  assert.equal(code, 0, stderr);
}

/** The program runs beside the renewals: the run that is waited for is the one for the new certificate. */
const executedForRenewed = /"renewed"[^\n]*"serial":"(\w+)"[\s\S]*"executed"[^\n]*"serial":"\1"/;

async function stepsOf(directory: string): Promise<readonly string[]> {
  return JSON.parse(await readFile(`${directory}.steps`, "utf8")) as readonly string[];
}

/** The serial number of the device's certificate, as the program of the test notes it. */
async function leafOf(directory: string): Promise<string> {
  const leaf = (await currentIdentity(directory))?.chain[0];
  assert.ok(leaf);
  return hex(parseCertificate(leaf).serialNumber).toUpperCase();
}

async function certificatesOf(service: TestService, name: string): Promise<readonly unknown[]> {
  return (await service.call<{ readonly certificates: readonly unknown[] }>("GET", `/devices/${name}`)).certificates;
}
