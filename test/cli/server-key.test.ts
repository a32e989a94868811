import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answers, type FakeService, fakeService, fileIn, hatchery } from "./fake-service.ts";

/** The commands around keys that the service makes: what they send, print and refuse. */

const tenant = "/api/v1/tenants/default";
const hexKey = "0f".repeat(32);

async function withService(answers: Answers, use: (service: FakeService) => Promise<void>): Promise<void> {
  const service = await fakeService(answers);
  try {
    await use(service);
  } finally {
    await service.close();
  }
}

test("ok/est key add makes a key of 256 bits and prints it once", async () => {
  await withService({ [`PUT ${tenant}/est-keys/line-3`]: { name: "line-3" } }, async (service) => {
    const { code, output } = await service.run(["est", "key", "add", "line-3", "--devices", "sensor-*"]);
    assert.equal(code, 0);
    const [, key] = /^key: ([0-9a-f]{64})$/m.exec(output) ?? [];
    assert.deepEqual(service.requests[0]?.body, { key, devices: "sensor-*" });
    assert.match(output, /^keys for devices named sensor-\* can be sent under line-3\n/);
  });
});

test("ok/est key add takes the first line of a file, and prints no key", async () => {
  await withService({ [`PUT ${tenant}/est-keys/line-3`]: { name: "line-3" } }, async (service) => {
    const file = await fileIn(service, "key", `${hexKey}\r\nsecond line\n`);
    const { code, output } = await service.run(["est", "key", "add", "line-3", "--key-file", file, "--json"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(output), { name: "line-3", devices: "line-3" });
    assert.deepEqual(service.requests[0]?.body, { key: hexKey, devices: "line-3" });
  });
});

test("fail/est key add with a file that holds no key, and nothing of it is printed", async () => {
  await withService({}, async (service) => {
    const file = await fileIn(service, "key", "5ec2e7 5ec2e7\n");
    const { code, errors } = await service.run(["est", "key", "add", "line-3", "--key-file", file]);
    assert.equal(code, 2);
    assert.match(errors, /is no key: 32, 48 or 64 hexadecimal digits/);
    assert.ok(!errors.includes("5ec2e7"));
  });
});

test("ok/est key list and remove", async () => {
  const items = [{ name: "line-3", devices: "sensor-*", created: Date.UTC(2026, 2, 1, 14, 5) }];
  const answers = { [`GET ${tenant}/est-keys`]: { items }, [`DELETE ${tenant}/est-keys/line-3`]: { name: "line-3" } };
  await withService(answers, async (service) => {
    const listed = await service.run(["est", "key", "list"]);
    assert.match(listed.output, /^key +devices +since\nline-3 +sensor-\* +/);
    assert.equal((await service.run(["est", "key", "remove", "line-3"])).output, "forgot the key line-3\n");
  });
});

test("ok/ca profile set sends the kind of key", async () => {
  await withService({}, async (service) => {
    await service.run(["ca", "profile", "set", "lamps", "--server-key", "RSA-2048"]);
    assert.deepEqual(service.requests[0]?.body, { serverKey: "RSA-2048" });
  });
});

const shown = ["--cert", "device.crt", "--key", "device.key"];
const refused: Readonly<Record<string, readonly [argv: readonly string[], says: RegExp]>> = {
  "an unknown encryption": [["--server-key", "rot13"], /plain, certificate, symmetric/],
  "a certificate that is not given": [["--server-key", "certificate"], /needs --cert/],
  "a symmetric key without its name": [
    ["--server-key", "symmetric", "--decrypt-key-file", "key"],
    /needs --decrypt-key and --decrypt-key-file/,
  ],
  "a symmetric key without encryption by it": [
    ["--server-key", "--decrypt-key", "line-3", "--decrypt-key-file", "key"],
    /go with --server-key symmetric/,
  ],
  "a kind of key": [["--server-key", "--key-kind", "P-384", ...shown], /the server chooses the kind/],
};
for (const [name, [argv, says]] of Object.entries(refused))
  test(`fail/device est --server-key with ${name}`, async () => {
    const common = ["device", "est", "--url", "https://est.example", "--ca", "ca.pem", "--out", "out", "--name", "x"];
    const { code, errors } = await hatchery([...common, ...argv]);
    assert.equal(code, 2, errors);
    assert.match(errors, says);
  });

test("fail/device est --server-key with --renew", async () => {
  const { code, errors } = await hatchery([
    ...["device", "est", "--url", "https://est.example", "--out", "out", "--renew", "--server-key"],
  ]);
  assert.equal(code, 2, errors);
  assert.match(errors, /a renewal makes its own key/);
});
