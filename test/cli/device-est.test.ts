import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, before, test } from "node:test";
import { confirmed } from "../../src/cli/device-trust.ts";
import { formatFingerprint } from "../../src/cli/fingerprint.ts";
import { hex } from "../../src/core/bytes.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { currentIdentity } from "../../src/device/index.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";
import { hatchery, startHatchery } from "../system/hatchery.ts";

/** `hatchery device est` as a process of its own: the first trust, and a device that goes on renewing. */

let service: TestService;
let devices = 0;

before(async () => {
  service = await startService();
  await service.call("POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
});

after(() => service.close());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest();
const url = () => `https://127.0.0.1:${service.port}`;
const out = (name: string) => join(service.data, "devices", name);

/** Arguments of a first enrolment of a new device, but for the trust. */
async function newDevice(): Promise<readonly string[]> {
  devices += 1;
  const name = `CLI-${devices}`;
  const { certificate, key } = await service.factory.makeDevice(name);
  const [cert, keyFile] = [join(service.data, `${name}.pem`), join(service.data, `${name}.key`)];
  await writeFile(cert, encodePem("CERTIFICATE", certificate));
  await writeFile(keyFile, privateKeyToPem(key));
  return ["device", "est", "--url", url(), "--name", name, "--cert", cert, "--key", keyFile, "--out", out(name)];
}

test("ok/--fingerprint", async () => {
  const fingerprint = formatFingerprint("SHA256", sha256(service.root));
  const { code, stderr } = await hatchery([...(await newDevice()), "--fingerprint", fingerprint]);
  assert.equal(code, 0, stderr);
});

test("fail/--fingerprint of another CA", async () => {
  const { code, stderr } = await hatchery([...(await newDevice()), "--fingerprint", "ab".repeat(32)]);
  assert.equal(code, 1);
  assert.match(stderr, /^error: the server publishes no CA certificate with this fingerprint/);
});

test("ok/--implicit with a file", async () => {
  const file = join(service.data, "roots.pem");
  await writeFile(file, encodePem("CERTIFICATE", service.root));
  const { code, stderr } = await hatchery([...(await newDevice()), "--implicit", file]);
  assert.equal(code, 0, stderr);
});

for (const roots of ["system", "bundled"])
  test(`fail/--implicit ${roots} does not vouch for a server of one's own`, async () => {
    const { code, stderr } = await hatchery([...(await newDevice()), "--implicit", roots]);
    assert.equal(code, 1);
    assert.match(stderr, /does not lead to one of the trust anchors|no trust anchor was given/);
  });

test("fail/--bootstrap without a terminal: nothing is sent", async () => {
  const { code, stderr } = await hatchery([...(await newDevice()), "--bootstrap"]);
  assert.equal(code, 2);
  assert.equal(stderr, "error: --bootstrap asks a person, and there is no terminal; give --fingerprint instead\n");
});

for (const [name, args, sentence] of [
  ["two ways to trust", ["--bootstrap", "--fingerprint", "ab".repeat(32)], /give one of --ca/],
  ["none", [], /give with --ca .* or its --fingerprint/],
  ["a fingerprint that is none", ["--fingerprint", "ab"], /a fingerprint is SHA256:/],
  ["--watch without --renew", ["--ca", "x", "--watch"], /--watch goes with --renew/],
  ["--exec without --watch", ["--ca", "x", "--exec", "x"], /--exec goes with --renew --watch/],
] as const)
  test(`fail/usage: ${name}`, async () => {
    const { code, stderr } = await hatchery([...(await newDevice()), ...args]);
    assert.equal(code, 2);
    assert.match(stderr, sentence);
  });

/** What a person at the terminal is shown and says. */
async function atTerminal(
  say: (input: PassThrough) => void,
): Promise<{ readonly shown: string; readonly answer: boolean }> {
  const [input, output] = [new PassThrough(), new PassThrough()];
  let shown = "";
  output.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  const certificate = service.root;
  const sha512 = createHash("sha512").update(certificate).digest();
  setImmediate(() => say(input));
  const candidate = { certificate, sha256: sha256(certificate), sha512 };
  const answer = await confirmed(candidate, input, output, new AbortController().signal);
  return { shown, answer };
}

test("ok/the question shows name and fingerprints, and yes or the fingerprint is a yes", async () => {
  const fingerprint = formatFingerprint("SHA256", sha256(service.root));
  const { shown, answer } = await atTerminal((input) => input.write("yes\n"));
  assert.equal(answer, true);
  assert.ok(shown.includes(fingerprint) && shown.includes("SHA512:"), shown);
  assert.match(shown, /Is it the same\?/);
  assert.equal((await atTerminal((input) => input.write(`${fingerprint}\n`))).answer, true);
});

test("fail/any other answer is a no, and none at all interrupts", async () => {
  for (const line of ["no\n", "\n", `${"ab".repeat(32)}\n`])
    assert.equal((await atTerminal((input) => input.write(line))).answer, false);
  await assert.rejects(
    atTerminal((input) => input.end()),
    { code: "interrupted" },
  );
});

/** A device with a certificate, and its arguments for going on. */
async function enrolled(name: string): Promise<readonly string[]> {
  await enrolDevice(service, "simpleenroll", name, { identity: await manufactured(service, name) });
  return ["device", "est", "--url", url(), "--out", out(name), "--renew", "--watch"];
}

/** Its wall clock stands where its certificate of a year is old. */
const old = {
  preload: new URL("../est/later-preload.ts", import.meta.url),
  env: { HATCHERY_TEST_LATER: `${250 * 86_400_000}` },
};

async function program(name: string, text: string): Promise<string> {
  const file = join(service.data, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  return file;
}

const eventsOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly event: string });

const executedForRenewed = /"renewed"[^\n]*"serial":"(\w+)"[\s\S]*"executed"[^\n]*"serial":"\1"/;

async function serialIn(directory: string): Promise<string> {
  const [leaf] = (await currentIdentity(directory))?.chain ?? [];
  assert.ok(leaf);
  return hex(parseCertificate(leaf).serialNumber);
}

test("ok/--watch renews, runs the program once for each certificate, and ends with 0 at SIGTERM", async () => {
  const args = await enrolled("watch-1");
  const told = join(service.data, "told-1");
  const hook = await program(
    "hook-1",
    `openssl x509 -in "$HATCHERY_CERT" -noout -serial >> ${told}\ntest -r "$HATCHERY_KEY" -a -r "$HATCHERY_CHAIN" -a -r "$HATCHERY_CA"`,
  );
  const device = startHatchery([...args, "--exec", hook, "--json"], old);
  assert.ok(await device.said(executedForRenewed), "it has run for the new one");
  device.kill("SIGTERM");
  const { code, stdout, stderr } = await device.ended;
  assert.deepEqual([code, stderr], [0, ""]);
  const events = eventsOf(stdout).map(({ event }) => event);
  // The program runs beside the renewals, so its first run may end before or after the first of these.
  assert.deepEqual(
    events.filter((event) => event !== "executed"),
    ["scheduled", "renewed", "scheduled"],
  );
  assert.deepEqual([events[0], events.at(-1), events.length], ["scheduled", "executed", 5]);
  const serials = (await readFile(told, "utf8")).trim().split("\n");
  assert.equal(serials.length, 2);
  assert.equal(serials.at(-1)?.toLowerCase(), `serial=${await serialIn(out("watch-1"))}`);

  // Started again on the same certificate: the program has run for it.
  const again = startHatchery([...args, "--exec", hook, "--json"]);
  assert.ok(await again.said(/"scheduled"/));
  again.kill("SIGINT");
  assert.equal((await again.ended).code, 0);
  assert.equal((await readFile(told, "utf8")).trim().split("\n").length, 2);
});

test("ok/--watch renews although its program hangs and ignores SIGTERM, and ends at SIGTERM all the same", async () => {
  const args = await enrolled("watch-3");
  const deaf = await program("hook-3", "trap '' TERM\nsleep 600");
  const device = startHatchery([...args, "--exec", deaf, "--json"], old);
  assert.ok(await device.said(/"renewed"[\s\S]*"scheduled"/), "it has not waited for the program");
  device.kill("SIGTERM");
  assert.equal((await device.ended).code, 0);
});

test("ok/--watch ends with 0 at a SIGTERM that comes while it starts", async () => {
  const device = startHatchery(await enrolled("watch-4"), {
    preload: new URL("interrupted-preload.ts", import.meta.url),
  });
  const { code, signal, stderr } = await device.ended;
  assert.deepEqual([code, signal, stderr], [0, null, ""]);
});

test("ok/--watch in words, with a program that fails and a server that is not there", async () => {
  const args = await enrolled("watch-2");
  const gone = args.map((arg) => (arg === url() ? "https://127.0.0.1:1" : arg));
  const device = startHatchery([...gone, "--exec", await program("hook-2", "exit 7")], old);
  assert.ok(await device.said(/failed: \S+ ended with 7\n/));
  device.kill("SIGTERM");
  const { code, stdout } = await device.ended;
  assert.equal(code, 0);
  assert.match(stdout, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d the certificate is valid until .*; it is renewed at /);

  const other = startHatchery(gone, old);
  const line = await other.said(/failed: Connecting to 127\.0\.0\.1 port 1 failed: .*; tried again at .*\n/);
  assert.ok(line !== undefined, "it goes on trying");
  other.kill("SIGTERM");
  assert.equal((await other.ended).code, 0);
});

test("fail/--watch with nothing to renew", async () => {
  const { code, stderr } = await hatchery([
    "device",
    "est",
    "--url",
    url(),
    "--out",
    out("none"),
    "--renew",
    "--watch",
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /holds no certificate to renew/);
});
