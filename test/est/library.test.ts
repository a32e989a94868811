import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { currentIdentity, deviceName, loadIdentity, nodeEstEnv, readAnchors } from "hatchery/device";
import { enroll } from "hatchery/est";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { startService, type TestService } from "./service.ts";

let service: TestService;

before(async () => {
  service = await startService();
});

after(() => service.close());

test("ok/the README's example enrols a device by the package's own subpaths, and renews it", async () => {
  const file = (name: string) => join(service.data, name);
  const { certificate, key } = await service.factory.makeDevice("SN-12345");
  await writeFile(file("anchor.pem"), encodePem("CERTIFICATE", service.root));
  await writeFile(file("idevid.pem"), encodePem("CERTIFICATE", certificate));
  await writeFile(file("idevid.key"), privateKeyToPem(key));
  await service.call("POST", "/claims", { label: "SN-12345" });

  const settings = {
    server: {
      host: "127.0.0.1",
      port: service.port,
      trust: { kind: "explicit", anchors: await readAnchors(file("anchor.pem")) },
    },
    subject: deviceName("SN-12345"),
    keyKind: "P-256",
    binding: "auto",
    patience: 60_000,
  } as const;
  const env = nodeEstEnv({ directory: file("credentials") });
  const identity = { credential: "idevid", ...(await loadIdentity(file("idevid.pem"), file("idevid.key"))) } as const;
  const credential = await enroll("simpleenroll", { ...settings, identity }, env);

  const current = await currentIdentity(file("credentials"));
  assert.deepEqual(current?.chain[0], Buffer.from(credential.certificate.raw));
  assert.ok(current);
  const renewed = await enroll("simplereenroll", { ...settings, identity: { credential: "ldevid", ...current } }, env);
  assert.deepEqual(Buffer.from(renewed.certificate.subject.raw), Buffer.from(credential.certificate.subject.raw));
  assert.notDeepEqual(renewed.key.signer.publicKey, credential.key.signer.publicKey);
});

for (const [name, code] of [
  ["missing.pem", "credential-unreadable"],
  ["anchor.pem", "credential-unreadable"],
] as const) {
  test(`fail/a key that is read from ${name}`, async () => {
    await writeFile(join(service.data, "anchor.pem"), encodePem("CERTIFICATE", service.root));
    await assert.rejects(loadIdentity(join(service.data, "anchor.pem"), join(service.data, name)), {
      name: "DeviceError",
      code,
    });
  });
}

test("fail/a key that is another certificate's", async () => {
  const [one, other] = await Promise.all([service.factory.makeDevice("A"), service.factory.makeDevice("B")]);
  await writeFile(join(service.data, "one.pem"), encodePem("CERTIFICATE", one.certificate));
  await writeFile(join(service.data, "other.key"), privateKeyToPem(other.key));
  await assert.rejects(loadIdentity(join(service.data, "one.pem"), join(service.data, "other.key")), {
    code: "credential-mismatch",
  });
});
