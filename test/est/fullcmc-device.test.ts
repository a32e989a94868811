import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { deviceName } from "../../src/device/index.ts";
import { formatName } from "../../src/pki/name.ts";
import { enrolDevice, manufactured, startService, type TestService } from "./service.ts";

/** The device's end of fullcmc against the service, over real sockets. */

let service: TestService;
const credentials = { user: "installer", password: "correct horse battery" };

before(async () => {
  service = await startService();
  const { user, password } = credentials;
  await service.call("PUT", `/est-users/${user}`, { password, devices: "line-*" });
  await service.call("PUT", "/ca/profiles/device", { fullcmc: "allowed" });
});

after(() => service.close());

async function claimed(serial: string) {
  await service.call("POST", "/claims", { label: serial });
  return manufactured(service, serial);
}

test("ok/a device signs with its manufacturer's certificate, then renews with its own", async () => {
  const identity = await claimed("FULL-1");
  const first = await enrolDevice(service, "fullcmc", "FULL-1", { identity });
  assert.match(formatName(first.certificate.subject), /CN=FULL-1/);
  assert.equal(first.ledger.outcome, "granted");
  assert.equal(first.ledger.variant, "est/fullcmc");
  const chain = [first.certificate.raw, ...first.chain.map(({ raw }) => raw)];
  const own = { chain, key: first.key, credential: "ldevid" } as const;
  const renewed = await enrolDevice(service, "fullcmc", "FULL-1", { identity: own, subject: deviceName("ignored") });
  assert.deepEqual(renewed.certificate.subject.raw, first.certificate.subject.raw);
  assert.notDeepEqual(renewed.certificate.subjectPublicKeyInfo, first.certificate.subjectPublicKeyInfo);
});

test("ok/a device with user and password signs with its new key", async () => {
  for (const binding of ["auto", "never"] as const) {
    const name = `line-${binding}`;
    const { certificate } = await enrolDevice(service, "fullcmc", name, { credentials, binding });
    assert.equal(formatName(certificate.subject), `CN=${name}`);
  }
});

test("ok/a device waits while a person decides", async () => {
  await service.call("POST", "/rules", { verdict: "wait", match: { serial: "SLOW-*" } });
  const identity = await manufactured(service, "SLOW-1");
  const asked: (string | undefined)[] = [];
  const { certificate } = await enrolDevice(
    service,
    "fullcmc",
    "SLOW-1",
    { identity },
    {
      waiting(_, run) {
        asked.push(run);
        void service.call("POST", `/approvals/${run}`, { state: "approved" });
      },
    },
  );
  assert.match(formatName(certificate.subject), /CN=SLOW-1/);
  assert.equal(asked.length, 1);
});

test("fail/the server's reason in CMC is the device's", async () => {
  const identity = await manufactured(service, "STRANGE-1");
  await assert.rejects(enrolDevice(service, "fullcmc", "STRANGE-1", { identity }), {
    name: "EstFailed",
    code: "cmc-failed",
    message: /403, badRequest: This device may not be enrolled here/,
  });
  const wrong = { ...credentials, password: "wrong horse battery" };
  await assert.rejects(enrolDevice(service, "fullcmc", "line-9", { credentials: wrong }), {
    code: "cmc-failed",
    message: /401, badIdentity/,
  });
});

test("fail/a server without fullcmc", async () => {
  await service.call("PUT", "/ca/profiles/plain", { fullcmc: "refused" });
  const server = {
    host: "127.0.0.1",
    port: service.port,
    label: "plain",
    trust: { kind: "explicit", anchors: [service.root] },
  } as const;
  await assert.rejects(enrolDevice(service, "fullcmc", "line-8", { credentials, server }), {
    code: "server-refused",
    message: /404: There is no fullcmc here; use simpleenroll/,
  });
});
