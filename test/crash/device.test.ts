import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { equal, hex } from "../../src/core/bytes.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { currentIdentity, deviceKey, estStorage } from "../../src/device/index.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import type { EnrollOperation } from "../../src/protocols/est/index.ts";
import type { ClientIdentity } from "../../src/protocols/ports.ts";
import { enrolDevice, startService, type TestService } from "../est/service.ts";
import { type Ended, hatchery } from "../system/hatchery.ts";

describe("crash: kill -9 of a device", { concurrency: 2, timeout: 240_000 }, () => {
  let service: TestService;
  before(async () => {
    service = await startService();
    await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
    await service.call("PUT", "/ca/profiles/device", { serverKey: "P-256" });
  });
  after(() => service.close());

  for (const operation of ["simpleenroll", "simplereenroll"] as const)
    test(`ok/${operation} ends whole, or is finished with the same key`, { concurrency: 2 }, async (t) => {
      const whole = await make(service, `${operation}-0`, operation);
      const { code, stderr } = await run(whole);
      assert.equal(code, 0, stderr);
      const steps = await stepsOf(whole);
      assert.ok(steps.length >= 12, `an enrolment has more steps than ${steps.join(", ")}`);
      // Both operations do the same with their files: each takes half of the steps.
      const chosen = steps.map((name, index) => ({ name, nth: index + 1 }));
      const half = chosen.filter(({ nth }) => nth % 2 === (operation === "simpleenroll" ? 1 : 0));
      await Promise.all(
        half.map(({ name, nth }) =>
          t.test(`ok/${operation} killed after its step ${nth}: ${name}`, async () => {
            const device = await make(service, `${operation}-${nth}`, operation);
            const { signal, stderr } = await run(device, nth);
            assert.equal(signal, "SIGKILL", stderr);
            await checkLeft(device);
          }),
        ),
      );
    });
  test("ok/serverkeygen ends whole, or the same key and certificate are asked for again", async (t) => {
    const whole = await make(service, "serverkeygen-0", "serverkeygen");
    const { code, stderr } = await run(whole);
    assert.equal(code, 0, stderr);
    const steps = await stepsOf(whole);
    // From the answer on there is a key at the server, and until it is installed none at the device.
    const answered = steps.lastIndexOf("answer");
    assert.ok(answered > 0 && steps.length - answered > 4, steps.join(", "));
    const chosen = steps.map((name, index) => ({ name, nth: index + 1 })).slice(answered);
    await Promise.all(
      chosen.map(({ name, nth }) =>
        t.test(`ok/serverkeygen killed after its step ${nth}: ${name}`, async () => {
          const device = await make(service, `serverkeygen-${nth}`, "serverkeygen");
          const { signal, stderr } = await run(device, nth);
          assert.equal(signal, "SIGKILL", stderr);
          await checkLeft(device);
        }),
      ),
    );
  });
});

interface CrashDevice {
  readonly service: TestService;
  readonly name: string;
  readonly operation: EnrollOperation;
  readonly directory: string;
  readonly idevid: ClientIdentity & { readonly credential: "idevid" };
  /** What it had before; undefined for a device that is enrolled for the first time. */
  readonly old: ClientIdentity | undefined;
}

async function make(service: TestService, name: string, operation: CrashDevice["operation"]): Promise<CrashDevice> {
  const directory = join(service.data, "devices", name);
  const { certificate, key } = await service.factory.makeDevice(name);
  const idevid = { credential: "idevid", chain: [certificate], key: deviceKey(key, "P-256") } as const;
  await mkdir(dirname(directory), { recursive: true });
  await writeFile(`${directory}.crt`, encodePem("CERTIFICATE", certificate));
  await writeFile(`${directory}.key`, privateKeyToPem(key));
  await writeFile(`${directory}.ca`, encodePem("CERTIFICATE", service.root));
  if (operation === "simplereenroll") await enrolDevice(service, "simpleenroll", name, { identity: idevid });
  return { service, name, operation, directory, idevid, old: await currentIdentity(directory) };
}

/** The real program as the device, killed after its step number `nth`. */
function run({ service, name, operation, directory }: CrashDevice, nth?: number): Promise<Ended> {
  const url = `https://127.0.0.1:${service.port}`;
  const how =
    operation === "simplereenroll"
      ? ["--renew"]
      : ["--name", name, "--cert", `${directory}.crt`, "--key", `${directory}.key`, ...serverKey(operation)];
  return hatchery(["device", "est", "--url", url, "--ca", `${directory}.ca`, "--out", directory, ...how], {
    preload: new URL("device-preload.ts", import.meta.url),
    env: {
      HATCHERY_TEST_DIRECTORY: directory,
      HATCHERY_TEST_STEPS: `${directory}.steps`,
      ...(nth === undefined ? {} : { HATCHERY_TEST_STEP: String(nth) }),
    },
  });
}

async function stepsOf({ directory }: CrashDevice): Promise<readonly string[]> {
  return JSON.parse(await readFile(`${directory}.steps`, "utf8")) as readonly string[];
}

/** The device has its old credential or its new one, whole; what was begun is finished with the key that was kept. */
async function checkLeft({ service, name, operation, directory, idevid, old }: CrashDevice): Promise<void> {
  // Throws when certificate and key are not of one set.
  const left = await currentIdentity(directory);
  const pending = await estStorage(directory).pendingKey();
  const installed = left !== undefined && (old === undefined || !equal(leafOf(left), leafOf(old)));
  if (installed) {
    assert.equal(pending, undefined, "an enrolment that has ended leaves no key behind");
  } else {
    assert.deepEqual(left && hex(leafOf(left)), old && hex(leafOf(old)), "the device has what it had");
    const identity = old === undefined ? idevid : ({ ...old, credential: "ldevid" } as const);
    const { key } = await enrolDevice(service, operation, name, { identity });
    // The key of a request for the server's is never certified; that nothing is granted twice says that it was the same request.
    if (pending !== undefined && operation !== "serverkeygen")
      assert.equal(hex(key.signer.publicKey), hex(pending.signer.publicKey), "the key that was kept is certified");
  }
  const now = await currentIdentity(directory);
  assert.ok(now);
  const { certificates } = await service.call<Certificates>("GET", `/devices/${name}`);
  assert.equal(certificates.length, operation === "simplereenroll" ? 2 : 1, "nothing was granted twice");
  assert.ok(
    certificates.some(({ pem }) => pem === encodePem("CERTIFICATE", leafOf(now))),
    "the device and the inventory know the same certificate",
  );
  assert.equal(hex(parseCertificate(leafOf(now)).subjectPublicKeyInfo), hex(now.key.signer.publicKey));
}

function serverKey(operation: EnrollOperation): readonly string[] {
  return operation === "serverkeygen" ? ["--server-key"] : [];
}

function leafOf({ chain }: ClientIdentity): Uint8Array {
  return chain[0] ?? assert.fail("an identity without a certificate");
}

interface Certificates {
  readonly certificates: readonly { readonly pem: string }[];
}
