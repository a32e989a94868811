import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { base64 } from "../../src/core/bytes.ts";
import { generateKey, privateKeyToPem, signerOf } from "../../src/crypto/keys.ts";
import { currentIdentity } from "../../src/device/identity.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { keyPurposes } from "../../src/pki/oids.ts";
import type { UpstreamStatus } from "../../src/service/upstream-status.ts";
import { commonName, craftedRequest, passwordAttribute } from "../est/crafted.ts";
import { ask, basic, certificateIn, enrolment } from "../est/raw-client.ts";
import { enrolDevice, startService, type TestService } from "../est/service.ts";
import { hatchery } from "./hatchery.ts";

// A service whose CA is another service, to which it is a registration authority: devices link their requests to it
// (RFC 7030 3.5), and the upstream takes them all the same (RFC 7030 3.7).

let lower: TestService;
let upper: TestService;
let files: { readonly certificate: string; readonly key: string; readonly anchor: string };

const line = { user: "line", password: "line secret" };

before(async () => {
  [lower, upper] = await Promise.all([startService(), startService()]);
  await upper.call("PUT", "/est-users/admin", { password: "admin secret", devices: "site-*" });
  await upper.call("PUT", "/ca/profiles/registrars", {
    extKeyUsage: [keyPurposes.clientAuth, keyPurposes.cmcRA],
    registrationAuthority: "*",
  });
  await upper.call("POST", "/rules", { verdict: "allow", match: { profile: "registrars", user: "admin" } });
  await lower.call("PUT", "/est-users/line", { password: line.password, devices: "*" });
  files = await newRegistrationAuthority();
});

after(async () => {
  await lower.close();
  await upper.close();
});

/** Gets the certificate of a registration authority from the upstream, as its operator would, and keeps it in files. */
async function newRegistrationAuthority() {
  const key = generateKey("P-256");
  const request = enrolment(
    await craftedRequest({ subject: commonName("site-4"), signer: signerOf(key) }),
    [basic("admin", "admin secret")],
    "/.well-known/est/registrars/simpleenroll",
  );
  const paths = {
    certificate: join(lower.data, "ra.pem"),
    key: join(lower.data, "ra.key"),
    anchor: join(lower.data, "upper.pem"),
  };
  writeFileSync(paths.certificate, encodePem("CERTIFICATE", certificateIn(await ask(upper, request))));
  writeFileSync(paths.key, privateKeyToPem(key), { mode: 0o600 });
  writeFileSync(paths.anchor, encodePem("CERTIFICATE", upper.root));
  return paths;
}

const issuedAbove = (name: string) =>
  upper.rows("certificates").filter(({ subject }) => subject === `CN=${name}`).length;

test("ok/hatchery ca upstream set --cert: the certificate of a registration authority is taken into use", async () => {
  const url = `https://127.0.0.1:${upper.port}/.well-known/est`;
  const from = ["--url", url, "--anchor", files.anchor, "--cert", files.certificate, "--key", files.key];
  const { code, stderr } = await hatchery(["ca", "upstream", "set", ...from, "--data", lower.data]);
  assert.equal(code, 0, stderr);
  const status = await lower.call<UpstreamStatus & { readonly credential: unknown }>("GET", "/ca/upstream");
  assert.match(JSON.stringify(status), /"registrationAuthority":true/);
});

test("fail/the upstream has no rule for registration authorities: its operator's matter, and the device hears no", async () => {
  await assert.rejects(enrolDevice(lower, "simpleenroll", "ra-1", { credentials: line }), (error: unknown) =>
    /ca|certificate authority has refused/i.test(`${error}`),
  );
  assert.equal(issuedAbove("ra-1"), 0);
});

test("ok/a device that links its request is certified by the upstream, and renews", async () => {
  await upper.call("POST", "/rules", { verdict: "allow", match: { credential: "ra", profile: "device" } });
  await enrolDevice(lower, "simpleenroll", "ra-2", { credentials: line });
  const identity = await currentIdentity(join(lower.data, "devices", "ra-2"));
  assert.ok(identity !== undefined);
  await enrolDevice(lower, "simplereenroll", "ra-2", { identity: { credential: "ldevid", ...identity } });
  assert.equal(issuedAbove("ra-2"), 2);
  const runs = await upper.call<{ readonly items: readonly { readonly label: string; readonly variant: string }[] }>(
    "GET",
    "/runs?outcome=granted&limit=2",
  );
  assert.deepEqual(
    runs.items.map(({ label, variant }) => `${label} ${variant}`),
    Array(2).fill("ra-2 est/registration-authority"),
  );
});

test("fail/a binding that is wrong where the device is never gets to the upstream", async () => {
  const attributes = [passwordAttribute(base64(new Uint8Array(32)))];
  const csr = await craftedRequest({ subject: commonName("ra-3"), attributes });
  assert.equal((await ask(lower, enrolment(csr, [basic(line.user, line.password)]))).status, 401);
  assert.equal(issuedAbove("ra-3"), 0);
});

test("ok/a person decides above about a device that waits below", async () => {
  const { items } = await upper.call<{ readonly items: readonly { readonly id: string }[] }>("GET", "/rules");
  for (const { id } of items) await upper.call("DELETE", `/rules/${id}`);
  await upper.call("POST", "/rules", { verdict: "wait", match: { credential: "ra" } });
  const request = enrolment(await craftedRequest({ subject: commonName("ra-4") }), [basic(line.user, line.password)]);
  assert.equal((await ask(lower, request)).status, 202);
  const waiting = await upper.call<{
    readonly items: readonly { readonly run: string; readonly evidence: Readonly<Record<string, unknown>> }[];
  }>("GET", "/approvals");
  const [approval] = waiting.items;
  assert.deepEqual(
    [approval?.evidence["name"], approval?.evidence["registrationAuthority"], approval?.evidence["credential"]],
    ["ra-4", "site-4", "ra"],
  );
  await upper.call("POST", `/approvals/${approval?.run}`, { state: "approved" });
  certificateIn(await ask(lower, request));
  assert.equal(issuedAbove("ra-4"), 1);
});
