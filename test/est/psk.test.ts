import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { base64, fromHex, textOf, utf8 } from "../../src/core/bytes.ts";
import { currentIdentity, readAnchors } from "../../src/device/index.ts";
import type { Run } from "../../src/knowledge/run.ts";
import type { EstDeviceSettings } from "../../src/protocols/est/index.ts";
import { bindingType } from "../../src/protocols/est/keys.ts";
import { dialHttps } from "../../src/transport/http/client.ts";
import { singleField } from "../../src/transport/http/message.ts";
import { formOf } from "../system/secret-search.ts";
import { commonName, craftedRequest } from "./crafted.ts";
import { enrolDevice, startService, type TestService } from "./service.ts";

/** TLS without certificates (RFC 7030 3.3.3), over real sockets to a real service. */

let service: TestService;

before(async () => {
  service = await startService({ pskPort: 0 });
});

after(() => service.close());

/** A new pre-shared key of the service, as a device is told to use it. */
async function sharedKey(identity: string, devices = identity) {
  const { key } = await service.call<{ readonly key: string }>("PUT", `/est-psks/${identity}`, { devices });
  return { kind: "psk", identity, key: fromHex(key) ?? assert.fail() } as const;
}

const settings = (trust: EstDeviceSettings["server"]["trust"], more: Partial<EstDeviceSettings> = {}) => ({
  server: { host: "127.0.0.1", port: service.door("psk"), trust },
  ...more,
});

const enrolWith = (name: string, trust: EstDeviceSettings["server"]["trust"], more: Partial<EstDeviceSettings> = {}) =>
  enrolDevice(service, "simpleenroll", name, settings(trust, more));

test("ok/a key is all that a device needs: the binding is checked, the CA is learnt, and both ledgers confirm the survey", async () => {
  const { certificate, ledger, run } = await enrolWith("lamp-1", await sharedKey("lamp-1"));
  assert.equal(ledger.variant, "est/tls-psk");
  await service.call("PUT", `/runs/${run}/device-ledger`, ledger);
  const stored = await service.call<{ readonly run: Run; readonly contradictions: readonly unknown[] }>(
    "GET",
    `/runs/${run}`,
  );
  assert.equal(stored.run.variant, "est/tls-psk");
  assert.deepEqual(stored.contradictions, []);
  assert.match(stored.run.link, /^TLSv1\.3 /);

  const out = join(service.data, "devices", "lamp-1");
  const identity = (await currentIdentity(out)) ?? assert.fail("it keeps its certificate");
  const anchors = await readAnchors(join(out, "current", "ca.pem"));
  const renewed = await enrolDevice(service, "simplereenroll", "lamp-1", {
    server: { host: "127.0.0.1", port: service.port, trust: { kind: "explicit", anchors } },
    identity: { credential: "ldevid", ...identity },
  });
  assert.deepEqual(Buffer.from(renewed.certificate.subject.raw), Buffer.from(certificate.subject.raw));
});

test("ok/a key for many devices; a second one in its place ends the first, at once and after a restart", async () => {
  const first = await sharedKey("line-1", "lamp-2*");
  await enrolWith("lamp-21", first);
  const second = await sharedKey("line-1", "lamp-2*");
  await assert.rejects(enrolWith("lamp-22", first), { code: "handshake-failed" });
  await enrolWith("lamp-22", second);
  await service.restart();
  await enrolWith("lamp-23", second);
  await assert.rejects(enrolWith("lamp-24", first), { code: "handshake-failed" });
});

test("ok/a rule speaks of pre-shared keys", async () => {
  const trust = await sharedKey("lamp-30");
  const { id } = await service.call<{ readonly id: string }>("POST", "/rules", {
    verdict: "deny",
    match: { credential: "psk" },
  });
  await assert.rejects(enrolWith("lamp-30", trust), { message: /refused simpleenroll with 403/ });
  await service.call("DELETE", `/rules/${id}`);
  await enrolWith("lamp-30", trust);
});

test("ok/the key is in the store under the vault's seal alone, and in no ledger", async () => {
  const trust = await sharedKey("lamp-35");
  const { ledger } = await enrolWith("lamp-35", trust);
  const files = ["hatchery.db", "hatchery.db-wal"].map((name) => readFileSync(join(service.data, name)));
  const kept = Buffer.concat([...files, Buffer.from(JSON.stringify(ledger))]);
  assert.equal(formOf(utf8("est-psk/lamp-35"), kept), "raw", "the search finds what is there");
  assert.equal(formOf(trust.key, kept), undefined);
});

test("fail/a wrong key and an unknown identity, which look alike", async () => {
  const { key } = await sharedKey("lamp-40");
  const before = service.contents();
  const failures: string[] = [];
  for (const trust of [
    { kind: "psk", identity: "lamp-40", key: Uint8Array.from(key, (octet) => octet ^ 1) },
    { kind: "psk", identity: "lamp-41", key },
  ] as const)
    await enrolWith("lamp-40", trust).catch((error: Error) => failures.push(error.message));
  assert.equal(failures.length, 2);
  assert.equal(failures[0], failures[1]);
  assert.deepEqual(service.contents(), before);
});

test("fail/another name than the key is for", async () => {
  await assert.rejects(enrolWith("lamp-51", await sharedKey("lamp-50")), { message: /refused simpleenroll with 403/ });
});

test("fail/a key that was removed, also on the connection that it has opened", async () => {
  const trust = await sharedKey("lamp-60");
  const connection = await dialHttps({ url: `https://127.0.0.1:${service.door("psk")}`, trust });
  await service.call("DELETE", "/est-psks/lamp-60");
  const { status, headers } = await connection.request({
    method: "POST",
    path: "/.well-known/est/simpleenroll",
    headers: [["Content-Type", "application/pkcs10"]],
    body: utf8(base64(await craftedRequest({ subject: commonName("lamp-60") }))),
  });
  assert.equal(status, 401);
  const { run } = await service.call<{ readonly run: Run }>("GET", `/runs/${singleField(headers, "hatchery-run")}`);
  assert.equal(run.reason, "credentials-wrong");
  assert.equal(bindingType(connection.peer), "tls-exporter");
  await connection.close();
  await assert.rejects(enrolWith("lamp-60", trust), { code: "handshake-failed" });
});

test("fail/a renewal with a key in place of the certificate", async () => {
  const connection = await dialHttps({
    url: `https://127.0.0.1:${service.door("psk")}`,
    trust: await sharedKey("lamp-70"),
  });
  const { status, body } = await connection.request({
    method: "POST",
    path: "/.well-known/est/simplereenroll",
    headers: [["Content-Type", "application/pkcs10"]],
    body: utf8(base64(await craftedRequest({ subject: commonName("lamp-70") }))),
  });
  await connection.close();
  assert.equal(status, 401, textOf(body));
});

for (const [name, key] of [
  ["that is too short", Buffer.alloc(16, 0xab)],
  ["that is a passphrase", Buffer.from("correct horse battery staple, and more")],
  ["of one octet over and over", Buffer.alloc(32, 0xab)],
] as const) {
  test(`fail/the device refuses a key ${name}`, async () => {
    await assert.rejects(enrolWith("lamp-80", { kind: "psk", identity: "lamp-80", key }), {
      name: "EstFailed",
      code: "psk-guessable",
    });
  });
}

test("fail/the key at the port for certificates", async () => {
  const trust = await sharedKey("lamp-90");
  await assert.rejects(
    enrolDevice(service, "simpleenroll", "lamp-90", { server: { host: "127.0.0.1", port: service.port, trust } }),
    { code: "server-not-trusted" },
  );
});

test("fail/identities and keys that the operator cannot have", async () => {
  await assert.rejects(service.call("PUT", "/est-psks/a%20b", { devices: "*" }), /400/);
  await assert.rejects(service.call("PUT", "/est-psks/lamp", { devices: "*", key: "00".repeat(32) }), /400/);
  await assert.rejects(service.call("DELETE", "/est-psks/nobody"), /404/);
});
