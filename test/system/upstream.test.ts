import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { currentAnchors, currentIdentity } from "../../src/device/identity.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { formatName } from "../../src/pki/name.ts";
import type { UpstreamStatus } from "../../src/service/upstream-status.ts";
import { commonName, craftedRequest, newSigner } from "../est/crafted.ts";
import { ask, basic, certificateIn, enrolment, type RawAnswer } from "../est/raw-client.ts";
import { enrolDevice, startService, type TestService } from "../est/service.ts";
import { type Ended, hatchery } from "./hatchery.ts";
import { opensslCa } from "./openssl-ca.ts";
import { type Relay, startRelay } from "./relay.ts";

// A service whose CA is another service: both run, and speak EST over real sockets.

let lower: TestService;
let upper: TestService;
/** Before `upper`, whose port changes when it is started again. */
let relay: Relay;

before(async () => {
  [lower, upper] = await Promise.all([startService(), startService()]);
  relay = await startRelay(upper.port);
  await upper.call("PUT", "/est-users/hatchery", { password: "upstream secret", devices: "*" });
  await lower.call("PUT", "/est-users/line", { password: "line secret", devices: "*" });
  await lower.call("POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
  const status = await lower.call<UpstreamStatus>("PUT", "/ca/upstream", settings());
  assert.equal(status.crossCertified, true);
});

after(async () => {
  await lower.close();
  await relay.close();
  await upper.close();
});

function settings(password = "upstream secret") {
  return {
    url: `https://127.0.0.1:${relay.port}/.well-known/est`,
    anchor: encodePem("CERTIFICATE", upper.root),
    credential: { kind: "password", user: "hatchery", password },
  };
}

const line = { user: "line", password: "line secret" };

/** A request without a channel binding, as a password cannot carry one upwards. */
async function requestOf(name: string, signer = newSigner()): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject: commonName(name), signer }), [basic(line.user, line.password)]);
}

async function anonymousRequestOf(name: string): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject: commonName(name) }));
}

async function outcomeOf(answer: RawAnswer): Promise<readonly string[]> {
  const { summary } = await lower.call<{ readonly summary: Readonly<Record<"outcome" | "reason", string>> }>(
    "GET",
    `/runs/${answer.field("hatchery-run")}`,
  );
  return [summary.outcome, summary.reason];
}

/** Subjects of the certificates that the upstream has issued. */
function issuedAbove(name: string): number {
  return upper.rows("certificates").filter(({ subject }) => subject === `CN=${name}`).length;
}

function recorded(name: string): readonly Record<string, unknown>[] {
  return lower.rows("certificates").filter(({ subject }) => subject === `CN=${name}`);
}

/** Asks until the upstream is asked again: after a failure it is left alone for a second. */
async function askPatiently(request: Uint8Array): Promise<RawAnswer> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const answer = await ask(lower, request);
    if (answer.status !== 503 || Date.now() > deadline) return answer;
  }
}

test("ok/a device is onboarded by the upstream, trusts its CA, and renews", async () => {
  const enrolled = await enrolDevice(lower, "simpleenroll", "up-1", { credentials: line, binding: "never" });
  const { issuing } = await upper.call<{ readonly issuing: string }>("GET", "/ca");
  assert.equal(encodePem("CERTIFICATE", enrolled.chain[0]?.raw ?? upper.root), issuing);
  const directory = join(lower.data, "devices", "up-1");
  const anchors = (await currentAnchors(directory))?.map(hex);
  assert.deepEqual(anchors?.toSorted(), [hex(lower.root), hex(upper.root)].toSorted());
  const identity = await currentIdentity(directory);
  assert.ok(identity !== undefined);
  const renewed = await enrolDevice(lower, "simplereenroll", "up-1", {
    identity: { credential: "ldevid", ...identity },
    binding: "never",
  });
  assert.equal(formatName(renewed.certificate.issuer), formatName(enrolled.certificate.issuer));
  assert.deepEqual(
    recorded("up-1").map(({ authority }) => /^127\.0\.0\.1\/[0-9a-f]{8}$/.test(`${authority}`)),
    [true, true],
  );
  // Both ends have it: the upstream as issued to this service, this one as the device's.
  assert.equal(upper.rows("certificates").filter(({ subject }) => subject === "CN=up-1").length, 2);
  assert.equal(lower.rows("devices").filter(({ name }) => name === "up-1").length, 1);
});

test("ok/the upstream is asked only for what is admitted here", async () => {
  const refused = await ask(
    lower,
    enrolment(await craftedRequest({ subject: commonName("up-2") }), [basic("line", "no")]),
  );
  assert.equal(refused.status, 401);
  const request = await anonymousRequestOf("up-3");
  const waiting = await ask(lower, request);
  assert.equal(waiting.status, 202);
  for (const name of ["up-2", "up-3"]) assert.equal(issuedAbove(name), 0, name);
  await lower.call("POST", `/approvals/${waiting.field("hatchery-run")}`, { state: "approved" });
  certificateIn(await ask(lower, request));
  assert.equal(issuedAbove("up-3"), 1);
});

test("ok/a person decides at the upstream, both services are started again meanwhile, and one certificate is recorded", async () => {
  const rule = await upper.call<{ readonly id: string }>("POST", "/rules", {
    verdict: "wait",
    match: { credential: "password" },
  });
  const request = await anonymousRequestOf("up-4");
  const waiting = await ask(lower, request);
  await lower.call("POST", `/approvals/${waiting.field("hatchery-run")}`, { state: "approved" });
  const pending = await ask(lower, request);
  assert.deepEqual([pending.status, pending.field("hatchery-run")], [202, waiting.field("hatchery-run")]);
  assert.match(pending.field("retry-after") ?? "", /^[1-9]\d*$/);
  assert.equal((await outcomeOf(pending))[0], "waiting");

  await Promise.all([lower.restart(), upper.restart()]);
  relay.target = upper.port;
  assert.equal((await ask(lower, request)).status, 202);
  const { items } = await upper.call<{ readonly items: readonly { readonly run: string }[] }>("GET", "/approvals");
  assert.equal(items.length, 1, "one request waits at the upstream");
  await upper.call("POST", `/approvals/${items[0]?.run}`, { state: "approved" });
  const granted = await ask(lower, request);
  assert.equal(hex(certificateIn(granted)), hex(certificateIn(await ask(lower, request))));
  assert.equal((await outcomeOf(granted))[0], "granted");
  assert.equal(recorded("up-4").length, 1);
  await upper.call("DELETE", `/rules/${rule.id}`);
});

test("fail/the upstream says no: the device hears that, the operator why", async () => {
  const rule = await upper.call<{ readonly id: string }>("POST", "/rules", {
    verdict: "deny",
    match: { credential: "password" },
  });
  const answer = await ask(lower, await requestOf("up-5"));
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "ca-refused"]);
  assert.match(answer.text, /^The certificate authority has refused this request\. Run [0-9a-f]+\.\n$/);
  assert.deepEqual(await outcomeOf(answer), ["refused", "ca-refused"]);
  const { run } = await lower.call<{ readonly run: unknown }>("GET", `/runs/${answer.field("hatchery-run")}`);
  assert.match(JSON.stringify(run), /the server refused simpleenroll with 403: This device may not be enrolled here/);
  const line = lower.rows("audit").find(({ detail }) => `${detail}`.includes(`${answer.field("hatchery-run")}`));
  assert.match(`${line?.["detail"]}`, /ca-refused/);
  await upper.call("DELETE", `/rules/${rule.id}`);
});

test("fail/the upstream is away: devices come again, and an approval is not used up", async () => {
  const request = await anonymousRequestOf("up-6");
  const waiting = await ask(lower, request);
  await lower.call("POST", `/approvals/${waiting.field("hatchery-run")}`, { state: "approved" });
  relay.target = undefined;
  relay.cut();
  const answer = await ask(lower, request);
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [503, "upstream-unusable"]);
  assert.match(answer.field("retry-after") ?? "", /^[1-9]\d*$/);
  const { failure } = await lower.call<UpstreamStatus>("GET", "/ca/upstream");
  assert.match(failure?.reason ?? "", /^the upstream EST server cannot be reached: /);
  // cacerts is answered from what is kept, also by a service that was started again.
  await lower.restart();
  await enrolDevice(lower, "simpleenroll", "up-7", { credentials: line, binding: "never" }).then(
    () => assert.fail("nobody can have certified it"),
    (error: unknown) => assert.match(`${error}`, /503/),
  );
  relay.target = upper.port;
  certificateIn(await askPatiently(request));
  assert.equal(recorded("up-6").length, 1);
  assert.deepEqual(
    lower.rows("approvals").flatMap((row) => (row["run"] === waiting.field("hatchery-run") ? [row["state"]] : [])),
    ["used"],
  );
});

test("fail/wrong credentials at the upstream are the operator's matter, not the device's", async () => {
  await lower.call("PUT", "/ca/upstream", settings("another secret"));
  const request = await requestOf("up-8");
  assert.equal((await ask(lower, request)).status, 503);
  assert.match(
    (await lower.call<UpstreamStatus>("GET", "/ca/upstream")).failure?.reason ?? "",
    /refused simpleenroll with 401/,
  );
  await lower.call("PUT", "/ca/upstream", settings());
  certificateIn(await ask(lower, request));
});

test("fail/a request with a channel binding does not go where it would be refused", async () => {
  await assert.rejects(enrolDevice(lower, "simpleenroll", "up-9", { credentials: line }), { code: "server-refused" });
  assert.equal(issuedAbove("up-9"), 0);
});

test("fail/an upstream that does not answer, or is another than the anchor says, is not taken into use", async () => {
  const before = await lower.call<UpstreamStatus>("GET", "/ca/upstream");
  for (const [change, sentence] of [
    [{ url: "http://127.0.0.1/.well-known/est" }, /https only/],
    [{ url: `https://127.0.0.1:${relay.port}/est` }, /its path is not/],
    [{ url: `https://user:word@127.0.0.1:${relay.port}/.well-known/est` }, /do not belong into it/],
    [{ url: "https://127.0.0.1:1/.well-known/est" }, /upstream-unusable.*cannot be reached/],
    [{ anchor: encodePem("CERTIFICATE", lower.root) }, /cannot be reached/],
    [{ anchor: "nothing" }, /holds no certificate in PEM/],
  ] as const)
    await assert.rejects(lower.call("PUT", "/ca/upstream", { ...settings(), ...change }), sentence);
  assert.deepEqual(await lower.call<UpstreamStatus>("GET", "/ca/upstream"), before);
});

test("ok/hatchery ca upstream sets, shows, tests and removes, and never tells the password", async () => {
  const [anchor, password] = [join(lower.data, "upper.pem"), join(lower.data, "password")];
  writeFileSync(anchor, encodePem("CERTIFICATE", upper.root));
  writeFileSync(password, "upstream secret\n");
  const { url } = settings();
  const command = (...args: readonly string[]) => hatchery(["ca", "upstream", ...args, "--data", lower.data]);
  const set = ["set", "--url", url, "--anchor", anchor, "--user", "hatchery"];
  const outcomes = [
    await command(...set),
    await command("set", "--url", url, "--anchor", anchor),
    await command("remove"),
    await command("show"),
    await command(...set, "--password-file", password),
    await command("show"),
    await command("test", "--json"),
  ];
  assert.deepEqual(
    outcomes.map(({ code }) => code),
    [2, 2, 0, 1, 0, 0, 0],
    outcomes.map(({ stderr }) => stderr).join(""),
  );
  const [noTerminal, nobody, removed, none, , shown, tested] = outcomes as [
    Ended,
    Ended,
    Ended,
    Ended,
    Ended,
    Ended,
    Ended,
  ];
  assert.match(noTerminal.stderr, /give --password-file or HATCHERY_UPSTREAM_PASSWORD/);
  assert.match(nobody.stderr, /give either --user, or --cert and --key/);
  assert.equal(removed.stdout, `${url} certifies no more; the tenant's own CA issues\n`);
  assert.match(none.stderr, /has no upstream CA; set one with: hatchery ca upstream set/);
  assert.match(shown.stdout, new RegExp(`^upstream ${url}\nas user hatchery\n`));
  assert.equal((JSON.parse(tested.stdout) as UpstreamStatus).url, url);
  for (const { stdout, stderr } of outcomes) assert.doesNotMatch(stdout + stderr, /upstream secret/);
});

test("ok/after its removal the own CA issues, and what the upstream issued is renewed", async () => {
  await enrolDevice(lower, "simpleenroll", "up-10", { credentials: line, binding: "never" });
  await lower.call("DELETE", "/ca/upstream");
  await assert.rejects(lower.call("GET", "/ca/upstream"), /404.*hatchery ca upstream set/);
  const identity = await currentIdentity(join(lower.data, "devices", "up-10"));
  assert.ok(identity !== undefined);
  const renewed = await enrolDevice(lower, "simplereenroll", "up-10", {
    identity: { credential: "ldevid", ...identity },
  });
  const own = await lower.call<{ readonly issuing: string }>("GET", "/ca");
  assert.equal(encodePem("CERTIFICATE", renewed.chain[0]?.raw ?? lower.root), own.issuing);
  await lower.call("PUT", "/ca/upstream", settings());
});

test("ok/the own root rolls over beside the upstream, and its successor leads to the upstream's CA", async () => {
  for (const step of [{ step: "begin" }, { step: "switch" }, { step: "finish", force: true }])
    await lower.call("POST", "/ca/rollover", step);
  const { root } = await lower.call<{ readonly root: string }>("GET", "/ca");
  const anchors = [(decodePem(root)[0] as { readonly bytes: Uint8Array }).bytes];
  assert.notEqual(hex(anchors[0] as Uint8Array), hex(lower.root));
  const server = { host: "127.0.0.1", port: lower.port, trust: { kind: "explicit", anchors } } as const;
  const device = await enrolDevice(lower, "simpleenroll", "rolled-1", { server, credentials: line, binding: "never" });
  const { issuing } = await upper.call<{ readonly issuing: string }>("GET", "/ca");
  assert.equal(encodePem("CERTIFICATE", device.chain[0]?.raw ?? lower.root), issuing);
});

test("fail/an own root without its key leads no device to the upstream, ok/when devices were given both roots", async () => {
  const own = opensslCa(lower.data, "Own");
  await lower.call("DELETE", "/ca/upstream");
  const issuing = opensslCa(lower.data, "Own issuing", { issuer: own });
  const { certificate, key } = issuing;
  await lower.call("POST", "/ca/import", { certificate, chain: own.certificate, key: { pem: key } });
  await assert.rejects(
    lower.call("PUT", "/ca/upstream", settings()),
    /409 .*"conflict".*both roots in one file first .*--force/,
  );
  await assert.rejects(lower.call("GET", "/ca/upstream"), /404/);
  const status = await lower.call<UpstreamStatus>("PUT", "/ca/upstream", { ...settings(), force: true });
  assert.equal(status.crossCertified, false);
  const ownRoot = decodePem(own.certificate)[0]?.bytes ?? lower.root;
  const enrols = (name: string, anchors: readonly Uint8Array[]) => {
    const server = { host: "127.0.0.1", port: lower.port, trust: { kind: "explicit", anchors } } as const;
    return enrolDevice(lower, "simpleenroll", name, { server, credentials: line, binding: "never" });
  };
  await assert.rejects(enrols("one-root", [ownRoot]), { code: "anchors-not-confirmed" });
  const device = await enrols("two-roots", [ownRoot, upper.root]);
  const { issuing: above } = await upper.call<{ readonly issuing: string }>("GET", "/ca");
  assert.equal(encodePem("CERTIFICATE", device.chain[0]?.raw ?? lower.root), above);
});
