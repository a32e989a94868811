import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { base64 } from "../src/core/bytes.ts";
import { commonName, craftedRequest } from "../test/est/crafted.ts";
import { asymmDecryptKeyID, capabilities } from "../test/est/server-key.ts";
import { opensslCa } from "../test/system/openssl-ca.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun, refusedRun, runsOf } from "./ledger.ts";
import {
  type Authorities,
  authoritiesIn,
  type CertificationRequest,
  type Credential,
  checkCertificate,
  fingerprintOf,
  makeIdevid,
  makeManufacturer,
  makeRequest,
  requestBody,
  unpackCertificates,
} from "./openssl.ts";
import { type InteropContext, type InteropPeer, type InteropVariant, installDebianPackages, succeed } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: "curl-openssl",
  install: (log) => installDebianPackages(["curl", "openssl", "ca-certificates"], log),
  async version() {
    const [curl] = (await succeed("curl", ["--version"])).split(" (");
    const [, openssl] = (await succeed("openssl", ["version"])).split(" ");
    return `${curl}, openssl ${openssl}`;
  },
  variants: [
    variant("cacerts", async (bench) => {
      const { root } = await authorities(bench);
      assert.equal(await fingerprintOf(root), await fingerprintOf(bench.hatchery.root), "the root that was sent");
      assert.deepEqual(await runsOf(bench.hatchery), [], "an anonymous read makes no run");
      return "openssl reads root and issuing CA, without client authentication";
    }),
    variant("idevid-tls1.2", (bench) => enrollsOver(bench, "1.2")),
    variant("idevid-tls1.3", (bench) => enrollsOver(bench, "1.3")),

    variant("renew", async (bench) => {
      const { device, issue } = await claimedDevice(bench);
      const first = await issue(device, "first");
      const second = await issue(first, "second", "simplereenroll");
      assert.notEqual(await fingerprintOf(second.certificate), await fingerprintOf(first.certificate));
      await grantedRun(bench.hatchery, "est/reenroll", serial);
      return "200 under the certificate that is renewed, for a new key; granted as est/reenroll";
    }),

    variant("repeated", async (bench) => {
      const { device, request } = await claimedDevice(bench);
      const body = await requestBody(await request("ldevid"), "wrapped");
      const [first, second] = [await post(bench, device, body), await post(bench, device, body)];
      assert.deepEqual([first.status, second.status], [200, 200]);
      assert.equal(second.body, first.body, "the second answer");
      assert.equal((await runsOf(bench.hatchery)).length, 1, "runs");
      return "the same request twice: the same certificate twice, one run";
    }),

    variant("idevid-on-reenroll", async (bench) => {
      const { device, request } = await claimedDevice(bench);
      const body = await requestBody(await request("ldevid"), "line");
      return refused(
        bench,
        await post(bench, device, body, "simplereenroll"),
        403,
        "idevid-on-reenroll",
        /simpleenroll/,
      );
    }),

    variant("csrattrs", async (bench) => {
      const nothing = await ask(bench, ["--request", "GET"], "csrattrs");
      assert.deepEqual([nothing.status, nothing.body], [204, ""], "a profile that asks for nothing");
      const wishes = ["--keys", "P-384", "--binding", "required", "--csrattrs", "both"];
      await bench.hatchery.cli("ca", "profile", "set", "line7", ...wishes);
      const answer = await ask(bench, ["--request", "GET"], "line7/csrattrs");
      assert.equal(answer.status, 200, answer.body);
      const input = Buffer.from(answer.body, "base64");
      const tree = await succeed("openssl", ["asn1parse", "-inform", "DER"], { input });
      for (const name of ["challengePassword", "id-ecPublicKey", "secp384r1"]) assert.match(tree, new RegExp(name));
      return "openssl reads both forms, without client authentication; 204 where nothing is wanted";
    }),

    ...(["digest", "anyauth"] as const).map((scheme) =>
      variant(scheme, async (bench) => {
        const { hatchery, directory } = bench;
        const password = join(directory, "password");
        writeFileSync(password, "correct horse battery", { mode: 0o600 });
        await hatchery.cli("est", "user", "add", "line", "--devices", serial, "--digest", "--password-file", password);
        const asked = await makeRequest(directory, "ldevid", serial);
        const body = join(directory, "body");
        writeFileSync(body, await requestBody(asked, "wrapped"));
        const trace = join(directory, "trace");
        const shown = [`--${scheme}`, "--user", "line:correct horse battery", "--trace-ascii", trace];
        const content = ["--header", "Content-Type: application/pkcs10", "--data-binary", `@${body}`];
        const answer = await ask(bench, [...shown, ...content], "simpleenroll");
        assert.equal(answer.status, 200, answer.body);
        await checkIssued(bench, answer, asked);
        assert.match(readFileSync(trace, "utf8"), /Authorization: Digest /);
        await grantedRun(hatchery, "est/password", serial);
        return "curl was challenged and proved the password by Digest with SHA-256; granted as est/password";
      }),
    ),

    variant("serverkeygen", async (bench) => {
      const { hatchery, directory } = bench;
      await hatchery.cli("ca", "profile", "set", "device", "--server-key", "P-256");
      const { device, request } = await claimedDevice(bench);
      const answer = await post(bench, device, await requestBody(await request("asked"), "line"), "serverkeygen");
      assert.equal(answer.status, 200, answer.body);
      const [key, certificates] = partsOf(answer.body);
      const made = join(directory, "made.key");
      await succeed("openssl", ["pkey", "-inform", "DER", "-out", made], { input: Buffer.from(key, "base64") });
      const [certificate = ""] = await unpackCertificates(directory, "made", certificates);
      await checkCertificate(certificate, await authorities(bench), { key: made, commonName: serial });
      return "openssl reads a private key and the certificate of that key";
    }),

    variant("serverkeygen-encrypted", async (bench) => {
      const { hatchery, directory } = bench;
      const usages = "digitalSignature,keyAgreement";
      await hatchery.cli("ca", "profile", "set", "device", "--server-key", "P-256", "--key-usage", usages);
      const { issue, device } = await claimedDevice(bench);
      const own = await issue(device, "own");
      const identifier = await subjectKeyIdentifier(own.certificate);
      const attributes = [capabilities(), asymmDecryptKeyID(identifier)];
      const body = base64(await craftedRequest({ subject: commonName(serial), attributes }));
      const answer = await post(bench, own, body, "serverkeygen");
      assert.equal(answer.status, 200, answer.body);
      const [sealed, certificates] = partsOf(answer.body);
      const [message, opened] = [join(directory, "sealed.der"), join(directory, "opened.der")];
      writeFileSync(message, Buffer.from(sealed, "base64"));
      const recipient = ["-recip", own.certificate, "-inkey", own.key];
      await succeed("openssl", [
        "cms",
        "-decrypt",
        "-binary",
        "-inform",
        "DER",
        "-in",
        message,
        "-out",
        opened,
        ...recipient,
      ]);
      // What was encrypted is the signed key package (RFC 7030 4.4.2), which a SignedData begins.
      const tree = await succeed("openssl", ["asn1parse", "-inform", "DER", "-in", opened]);
      assert.match(tree, /2\.16\.840\.1\.101\.2\.1\.2\.78\.5/);
      const [certificate = ""] = await unpackCertificates(directory, "made", certificates);
      assert.notEqual(await fingerprintOf(certificate), await fingerprintOf(own.certificate));
      return "openssl decrypts a signed key package with the key of the certificate that the device showed";
    }),

    variant("unclaimed", async (bench) => {
      const { device, request } = await trustedDevice(bench);
      const body = await requestBody(await request("ldevid"), "line");
      return refused(bench, await post(bench, device, body), 403, "not-allowed", /may not be enrolled/);
    }),

    variant("unknown-issuer", async (bench) => {
      const { directory, hatchery } = bench;
      const stranger = await makeManufacturer(directory, "Stranger");
      const device = await makeIdevid(directory, stranger, serial);
      await hatchery.cli("claim", serial);
      const body = await requestBody(await makeRequest(directory, "ldevid", serial), "line");
      return refused(bench, await post(bench, device, body), 401, "certificate-unknown", /not authenticated/);
    }),

    ...(["P-384", "RSA-3072"] as const).map((algorithm) =>
      variant(`imported-ca-${algorithm}`, (bench) => enrollsUnderImported(bench, algorithm)),
    ),

    variant("pem-body", async (bench) => {
      const { device, request } = await claimedDevice(bench);
      const pem = readFileSync((await request("ldevid")).request, "utf8");
      return refused(bench, await post(bench, device, pem), 400, "pem-armour", /Remove the BEGIN and END lines/);
    }),
  ],
};
export default peer;

interface Bench {
  readonly hatchery: Hatchery;
  readonly directory: string;
  readonly signal: AbortSignal;
}

function variant(name: string, run: (bench: Bench) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST server",
    run: ({ directory, signal }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) => run({ hatchery, directory, signal })),
  };
}

/** Enrols twice, with new keys: the request on one line, and in lines of 64. */
async function enrollsOver(bench: Bench, version: TlsVersion): Promise<string> {
  const { device, request } = await claimedDevice(bench);
  for (const form of ["line", "wrapped"] as const) {
    const asked = await request(form);
    const answer = await post(bench, device, await requestBody(asked, form), "simpleenroll", version);
    assert.equal(answer.status, 200, answer.body);
    await checkIssued(bench, answer, asked);
  }
  const runs = await runsOf(bench.hatchery);
  const seen = runs.map(({ variant, outcome, label }) => ({ variant, outcome, label }));
  const granted = { variant: "est/idevid", outcome: "granted", label: serial };
  assert.deepEqual(seen, [granted, granted]);
  for (const { id } of runs) {
    const { run } = await bench.hatchery.api<{ readonly run: { readonly link: string } }>(
      "GET",
      `/api/v1/tenants/default/runs/${id}`,
    );
    assert.match(run.link, new RegExp(`^TLSv${version} `));
  }
  return `200 for base64 on one line and in lines of 64; granted twice as est/idevid over TLSv${version}`;
}

/** Enrols under a CA that openssl made, trusting its root; who trusts the former root alone still reaches the service. */
async function enrollsUnderImported(bench: Bench, algorithm: "P-384" | "RSA-3072"): Promise<string> {
  const { directory, hatchery } = bench;
  const root = opensslCa(directory, "imported-root", { algorithm });
  const issuing = opensslCa(directory, "imported-issuing", { algorithm, issuer: root });
  const files = ["--cert", issuing.certificateFile, "--key", issuing.keyFile, "--chain", root.certificateFile];
  await hatchery.cli("ca", "import", ...files);
  const { device, request } = await claimedDevice(bench);
  const asked = await request("ldevid");
  const trusting = { ...bench, hatchery: { ...hatchery, root: root.certificateFile } };
  const answer = await post(trusting, device, await requestBody(asked, "line"));
  assert.equal(answer.status, 200, answer.body);
  const [certificate] = (await unpackCertificates(directory, "ldevid", answer.body)) as [string];
  const authorities = { root: root.certificateFile, issuing: issuing.certificateFile };
  await checkCertificate(certificate, authorities, { key: asked.key, commonName: serial });
  await grantedRun(hatchery, "est/idevid", serial);
  const former = await ask(bench, ["--request", "GET"], "cacerts");
  assert.equal(former.status, 200, "cacerts for who trusts the former root");
  return "the imported root verifies listener and certificate; the former root still verifies the listener";
}

async function refused(bench: Bench, answer: Answer, status: number, reason: string, text: RegExp): Promise<string> {
  assert.equal(answer.status, status, answer.body);
  assert.match(answer.body, text);
  await refusedRun(bench.hatchery, reason);
  const { items } = await bench.hatchery.api<{ readonly items: readonly { readonly lifecycle: string }[] }>(
    "GET",
    "/api/v1/tenants/default/devices",
  );
  const operational = items.filter(({ lifecycle }) => lifecycle === "operational");
  assert.deepEqual(operational, [], "operational devices");
  return `${status}, refused as ${reason}`;
}

/** A device whose manufacturer the operator trusts. */
async function trustedDevice({ hatchery, directory, signal }: Bench) {
  const manufacturer = await makeManufacturer(directory, "Example");
  const device = await makeIdevid(directory, manufacturer, serial);
  await hatchery.cli("trust", "add", manufacturer.certificate, "--name", "example");
  const request = (file: string) => makeRequest(directory, file, serial);
  return {
    device,
    request,
    /** A certificate for a new key, asked for as `client`. */
    async issue(client: Credential, file: string, operation: Operation = "simpleenroll"): Promise<Credential> {
      const asked: CertificationRequest = await request(file);
      const bench = { hatchery, directory, signal };
      const answer = await post(bench, client, await requestBody(asked, "line"), operation);
      assert.equal(answer.status, 200, answer.body);
      const certificate = await checkIssued(bench, answer, asked);
      return { certificate, key: asked.key };
    },
  };
}

/** The same device, claimed by its serial number. */
async function claimedDevice(bench: Bench) {
  const device = await trustedDevice(bench);
  await bench.hatchery.cli("claim", serial);
  return device;
}

/** Path of the one certificate in the answer, after openssl found it to be what was asked for. */
async function checkIssued(bench: Bench, answer: Answer, asked: CertificationRequest): Promise<string> {
  const certificates = await unpackCertificates(bench.directory, basename(asked.key, ".key"), answer.body);
  assert.equal(certificates.length, 1, "certificates in the answer");
  const [certificate] = certificates as [string];
  await checkCertificate(certificate, await authorities(bench), { key: asked.key, commonName: serial });
  return certificate;
}

async function authorities(bench: Bench): Promise<Authorities> {
  const answer = await ask(bench, ["--request", "GET"], "cacerts");
  assert.equal(answer.status, 200, answer.body);
  return authoritiesIn(await unpackCertificates(bench.directory, "cacerts", answer.body));
}

/** The bodies of both parts of an answer to serverkeygen. */
function partsOf(body: string): readonly [string, string] {
  const [boundary = ""] = body.split("\r\n", 1);
  const parts = body.split(boundary).slice(1, 3);
  const [key = "", certificates = ""] = parts.map((part) => part.slice(part.indexOf("\r\n\r\n") + 4));
  return [key, certificates];
}

async function subjectKeyIdentifier(certificate: string): Promise<Uint8Array> {
  const text = await succeed("openssl", ["x509", "-in", certificate, "-noout", "-ext", "subjectKeyIdentifier"]);
  return Buffer.from((text.split("\n")[1] ?? "").replaceAll(/[^0-9A-F]/g, ""), "hex");
}

type Operation = "simpleenroll" | "simplereenroll" | "serverkeygen";
type TlsVersion = "1.2" | "1.3";

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function post(
  bench: Bench,
  client: Credential,
  body: string,
  operation: Operation = "simpleenroll",
  version?: TlsVersion,
): Promise<Answer> {
  const file = join(bench.directory, "body");
  writeFileSync(file, body);
  const credential = ["--cert", client.certificate, "--key", client.key];
  const tls = version === undefined ? [] : [`--tlsv${version}`, "--tls-max", version];
  const content = ["--header", "Content-Type: application/pkcs10", "--data-binary", `@${file}`];
  return ask(bench, [...credential, ...tls, ...content], operation);
}

async function ask(
  { hatchery, directory, signal }: Bench,
  args: readonly string[],
  operation: string,
): Promise<Answer> {
  const output = join(directory, "answer");
  const common = ["--silent", "--show-error", "--noproxy", "*", "--cacert", hatchery.root, "--output", output];
  const url = `${hatchery.url}/.well-known/est/${operation}`;
  const status = await succeed("curl", [...common, "--write-out", "%{http_code}", ...args, url], { signal });
  return { status: Number(status), body: readFileSync(output, "utf8") };
}

const serial = "EX-0001";
