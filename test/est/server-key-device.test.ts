import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { equal, utf8 } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import type { HatcheryError } from "../../src/core/errors.ts";
import { generateKey } from "../../src/crypto/keys.ts";
import { currentIdentity, deviceKey, estStorage, nodeEstEnv } from "../../src/device/index.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { encodeKeyUsage, encodeSubjectKeyIdentifier } from "../../src/pki/standard-extensions.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "../../src/protocols/est/index.ts";
import { authorityExtensions, type CraftedIssuer, commonName, selfSigned, serialNumber } from "./crafted.ts";
import { enrolDevice, manufactured, startService, type TestService } from "./service.ts";

/** Our device lets our server make its key, over real TLS, and goes on with it. */

let service: TestService;
let maker: CraftedIssuer;

before(async () => {
  service = await startService();
  await service.call("PUT", "/ca/profiles/keys", { serverKey: "P-256" });
  await service.call("PUT", "/ca/profiles/rsa", { serverKey: "RSA-2048" });
  await service.call("PUT", "/est-users/line", { password: "correct horse", devices: "line-*" });
  await service.call("PUT", "/est-keys/line-key", { key: "0f".repeat(32), devices: "line-*" });
  await service.call("PUT", "/ca/profiles/asked", { serverKey: "P-256" });
  await service.call("POST", "/rules", { verdict: "wait", match: { profile: "asked" } });
  await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "*" } });
  maker = await selfSigned(commonName("Maker CA"), authorityExtensions(1));
  await service.call("POST", "/anchors", {
    name: "maker",
    pem: encodePem("CERTIFICATE", maker.chain[0] as Uint8Array),
  });
});

after(() => service.close());

function under(label: string): Pick<EstDeviceSettings, "server"> {
  const trust = { kind: "explicit", anchors: [service.root] } as const;
  return { server: { host: "127.0.0.1", port: service.port, label, trust } };
}

const credentials = { user: "line", password: "correct horse" };

/** The files of a device fit each other, and nothing of the request is left. */
async function checkFiles(name: string, certificate: Uint8Array): Promise<void> {
  const directory = join(service.data, "devices", name);
  const current = await currentIdentity(directory);
  assert.ok(current && equal(current.chain[0] as Uint8Array, certificate));
  assert.equal(await estStorage(directory).pendingKey(), undefined);
}

test("ok/plain: installed as any other, and renewed by the device with a key of its own", async () => {
  const identity = await manufactured(service, "SERVED-1");
  const { certificate, key } = await enrolDevice(service, "serverkeygen", "SERVED-1", { ...under("keys"), identity });
  await checkFiles("SERVED-1", certificate.raw);
  const own = { credential: "ldevid", chain: [certificate.raw], key } as const;
  const renewed = await enrolDevice(service, "simplereenroll", "SERVED-1", { ...under("keys"), identity: own });
  await checkFiles("SERVED-1", renewed.certificate.raw);
  assert.ok(!equal(renewed.certificate.subjectPublicKeyInfo, certificate.subjectPublicKeyInfo));
});

test("ok/plain: an RSA key for a device that makes none", async () => {
  const { certificate, key } = await enrolDevice(service, "serverkeygen", "line-rsa", { ...under("rsa"), credentials });
  assert.equal(key.kind, "RSA-2048");
  await checkFiles("line-rsa", certificate.raw);
});

test("ok/symmetric: under a key that both sides know", async () => {
  const serverKey = { kind: "symmetric", identifier: "line-key", key: new Uint8Array(32).fill(0x0f) } as const;
  const settings = { ...under("keys"), credentials, serverKey };
  const { certificate } = await enrolDevice(service, "serverkeygen", "line-kek", settings);
  await checkFiles("line-kek", certificate.raw);
});

for (const [kind, usage] of [
  ["P-256", "keyAgreement"],
  ["RSA-2048", "keyEncipherment"],
] as const)
  test(`ok/certificate: for the ${kind} key of the manufacturer's certificate`, async () => {
    const name = `MADE-${kind}`;
    const own = generateKey(kind);
    const extensions = [encodeKeyUsage(["digitalSignature", usage]), encodeSubjectKeyIdentifier(utf8(name))];
    const { chain } = await maker.issue(serialNumber(name), { extensions }, own);
    const identity = { credential: "idevid", chain, key: deviceKey(own, kind) } as const;
    const settings = { ...under("keys"), identity, serverKey: { kind: "certificate" } } as const;
    const { certificate } = await enrolDevice(service, "serverkeygen", name, settings);
    await checkFiles(name, certificate.raw);
  });

test("ok/interrupted before it was installed: the same key and certificate when the device asks again", async () => {
  const identity = await manufactured(service, "CUT-1");
  const settings = { ...under("keys"), identity };
  let lost: Parameters<EstDeviceEnv["storage"]["saveCredential"]>[0] | undefined;
  const { storage } = nodeEstEnv({ directory: join(service.data, "devices", "CUT-1") });
  const failing = {
    ...storage,
    async saveCredential(credential: NonNullable<typeof lost>) {
      lost = credential;
      throw new Error("the power is gone");
    },
  };
  await assert.rejects(enrolDevice(service, "serverkeygen", "CUT-1", settings, { storage: failing }), /power is gone/);
  const { certificate, key } = await enrolDevice(service, "serverkeygen", "CUT-1", settings);
  assert.ok(lost && equal(lost.certificate, certificate.raw));
  assert.ok(equal(lost.key.signer.publicKey, key.signer.publicKey));
  await checkFiles("CUT-1", certificate.raw);
});

test("ok/waits for a person, and has its key then", async () => {
  const { certificate } = await enrolDevice(
    service,
    "serverkeygen",
    "line-asked",
    { ...under("asked"), credentials },
    {
      clock: { ...systemClock, sleep: (time, signal) => systemClock.sleep(time / 25, signal) },
      waiting: (_, run) => void service.call("POST", `/approvals/${run}`, { state: "approved" }),
    },
  );
  await checkFiles("line-asked", certificate.raw);
});

test("fail/encryption that the server cannot do, or that the device cannot ask for", async () => {
  const serverKey = { kind: "symmetric", identifier: "nobody", key: new Uint8Array(32) } as const;
  const settings = { ...under("keys"), credentials, serverKey };
  await assert.rejects(enrolDevice(service, "serverkeygen", "line-none", settings), { code: "server-refused" });
  const wrong = { ...settings, serverKey: { ...serverKey, identifier: "line-key" } };
  await assert.rejects(enrolDevice(service, "serverkeygen", "line-wrong", wrong), { code: "key-unreadable" });
  const identity = await manufactured(service, "SIGNS-1");
  const shown = { ...under("keys"), identity, serverKey: { kind: "certificate" } } as const;
  await assert.rejects(enrolDevice(service, "serverkeygen", "SIGNS-1", shown), { code: "encryption-impossible" });
});

test("fail/a server that makes no keys", async () => {
  const trust = { kind: "explicit", anchors: [service.root] } as const;
  const server = { host: "127.0.0.1", port: service.port, trust };
  await assert.rejects(
    enrolDevice(service, "serverkeygen", "line-1", { server, credentials }),
    (error: HatcheryError) => error.code === "server-refused" && error.details["status"] === 404,
  );
});
