import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { base64, hex } from "../../src/core/bytes.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { authorityInfoAccessOf, crlDistributionPointsOf } from "../../src/pki/access-extensions.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import { parseCertificateList, revocationOf, verifyCertificateList } from "../../src/pki/crl.ts";
import { encodeCertId } from "../../src/pki/ocsp-cert-id.ts";
import { buildOcspRequest } from "../../src/pki/ocsp-request.ts";
import { parseOcspResponse, verifyOcspResponse } from "../../src/pki/ocsp-response.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";

// What a device's certificate says about its own status, followed over real sockets by us and by openssl.

const directory = mkdtempSync(join(tmpdir(), "hatchery-publication-"));
after(() => rmSync(directory, { recursive: true }));

describe("publication", () => {
  let service: TestService;
  let issuer: Certificate;

  before(async () => {
    service = await startService();
    await service.call("POST", "/rules", { verdict: "allow", match: { credential: "idevid", issuer: "acme" } });
    issuer = parseCertificate(await bytesAt("/ca/default/issuing-1.cer"));
    writeFileSync(join(directory, "issuing-1.cer"), issuer.raw);
    writeFileSync(join(directory, "root.pem"), encodePem("CERTIFICATE", service.root));
  });
  after(() => service.close());

  const at = (path: string, init?: RequestInit) => fetch(service.publication + path, init);
  const bytesAt = async (path: string) => new Uint8Array(await (await at(path)).arrayBuffer());

  async function enrolled(name: string): Promise<Certificate> {
    const identity = await manufactured(service, name);
    const { certificate } = await enrolDevice(service, "simpleenroll", name, { identity });
    writeFileSync(join(directory, `${name}.pem`), encodePem("CERTIFICATE", certificate.raw));
    return certificate;
  }

  function revoked(certificate: Certificate, reason: string): Promise<unknown> {
    const which = { kind: "serial", serial: hex(certificate.serialNumber) };
    return service.call("POST", "/ca/revocations", { which, reason });
  }

  /** The CRL as soon as it has `certificate`, and how many milliseconds that took. */
  async function listWith(certificate: Certificate) {
    const began = performance.now();
    for (;;) {
      const list = parseCertificateList(await bytesAt("/crl/default/issuing-1.crl"));
      const entry = revocationOf(list, certificate.serialNumber);
      const took = performance.now() - began;
      if (entry !== undefined) return { list, entry, took };
      assert.ok(took < 10_000, "the CRL must have the certificate long before");
    }
  }

  const verified = () =>
    openssl(
      "verify",
      "-crl_check",
      "-CRLfile",
      "issuing-1.crl",
      "-CAfile",
      "root.pem",
      "-untrusted",
      "issuing-1.cer",
      "lamp.pem",
    );
  const asked = (url: string) =>
    openssl(
      "ocsp",
      "-url",
      url,
      "-issuer",
      "issuing-1.cer",
      "-cert",
      "lamp.pem",
      "-CAfile",
      "root.pem",
      "-verify_other",
      "issuing-1.cer",
    );

  test("ok/a device's certificate, its CRL and its responder before and after it is revoked, as openssl sees them", async () => {
    const lamp = await enrolled("lamp");
    const crlUrl = crlDistributionPointsOf(lamp.extensions)?.[0]?.fullName?.[0];
    const [ocsp, caIssuers] = authorityInfoAccessOf(lamp.extensions)?.map(({ accessLocation }) => accessLocation) ?? [];
    assert.ok(crlUrl?.kind === "uniformResourceIdentifier" && crlUrl.text.startsWith(service.publication));
    assert.ok(ocsp?.kind === "uniformResourceIdentifier" && caIssuers?.kind === "uniformResourceIdentifier");
    assert.deepEqual(hex(new Uint8Array(await (await fetch(caIssuers.text)).arrayBuffer())), hex(issuer.raw));
    const save = async () => {
      const list = new Uint8Array(await (await fetch(crlUrl.text)).arrayBuffer());
      writeFileSync(join(directory, "issuing-1.crl"), list);
    };
    await save();
    assert.match((await verified()).text, /lamp\.pem: OK/);
    assert.match((await asked(ocsp.text)).text, /Response verify OK[\s\S]*lamp\.pem: good/);

    await revoked(lamp, "keyCompromise");
    // The responder reads the store, so it knows at once.
    assert.match((await asked(ocsp.text)).text, /lamp\.pem: revoked[\s\S]*Reason: keyCompromise/);
    const { list, entry, took } = await listWith(lamp);
    verifyCertificateList(list, issuer);
    assert.equal(entry.reason, "keyCompromise");
    assert.ok(took < 2_000, `${took} ms`);
    await save();
    const refused = await verified();
    assert.notEqual(refused.code, 0);
    assert.match(refused.text, /certificate revoked/);
  });

  test("ok/a CRL is cached by its tag, also by HEAD", async () => {
    const whole = await at("/crl/default/issuing-1.crl");
    assert.equal(whole.headers.get("content-type"), "application/pkix-crl");
    assert.match(whole.headers.get("cache-control") ?? "", /^public, max-age=8\d{4}, no-transform, must-revalidate$/);
    const list = parseCertificateList(new Uint8Array(await whole.arrayBuffer()));
    assert.equal(Date.parse(whole.headers.get("expires") ?? ""), list.nextUpdate);
    assert.equal(Date.parse(whole.headers.get("last-modified") ?? ""), list.thisUpdate);
    const tag = whole.headers.get("etag") ?? "";
    for (const method of ["GET", "HEAD"])
      for (const known of [tag, `"other", W/${tag}`, "*"]) {
        const { status, headers } = await at("/crl/default/issuing-1.crl", {
          method,
          headers: { "If-None-Match": known },
        });
        assert.deepEqual([status, headers.get("etag")], [304, tag]);
      }
    const head = await at("/crl/default/issuing-1.crl", { method: "HEAD", headers: { "If-None-Match": '"other"' } });
    assert.deepEqual([head.status, head.headers.get("content-length")], [200, whole.headers.get("content-length")]);
  });

  test("ok/OCSP by GET is cached, with a nonce and by POST it is not", async () => {
    const { serialNumber } = await enrolled("switch");
    const nonce = new Uint8Array(32).fill(9);
    const status = async (response: Response, expected: Uint8Array | undefined) =>
      verifyOcspResponse(parseOcspResponse(new Uint8Array(await response.arrayBuffer())), {
        issuer,
        serialNumber,
        at: Date.now(),
        ...(expected === undefined ? {} : { nonce: expected }),
      });
    const request = buildOcspRequest({ issuer, serialNumber });
    for (const text of [base64(request), encodeURIComponent(base64(request))]) {
      const response = await at(`/ocsp/default/${text}`);
      assert.match(
        response.headers.get("cache-control") ?? "",
        /^public, max-age=3\d{3}, no-transform, must-revalidate$/,
      );
      assert.ok(response.headers.get("etag"));
      assert.equal(response.headers.get("content-type"), "application/ocsp-response");
      assert.deepEqual(await status(response, undefined), { kind: "good" });
    }
    const withNonce = buildOcspRequest({ issuer, serialNumber, nonce });
    for (const response of [
      await at(`/ocsp/default/${encodeURIComponent(base64(withNonce))}`),
      await at("/ocsp/default", posting(withNonce)),
    ]) {
      assert.equal(response.headers.get("cache-control"), "no-store");
      assert.deepEqual(await status(response, nonce), { kind: "good" });
    }
  });

  test("ok/1,000 OCSP requests at once, each with its own nonce", async (context) => {
    const { serialNumber } = await enrolled("sensor");
    const began = performance.now();
    const statuses = await Promise.all(
      Array.from({ length: 1_000 }, async (_, index) => {
        const nonce = new Uint8Array(32);
        new DataView(nonce.buffer).setUint32(0, index);
        const response = await at("/ocsp/default", posting(buildOcspRequest({ issuer, serialNumber, nonce })));
        const parsed = parseOcspResponse(new Uint8Array(await response.arrayBuffer()));
        return verifyOcspResponse(parsed, { issuer, serialNumber, at: Date.now(), nonce }).kind;
      }),
    );
    context.diagnostic(`1,000 answers verified in ${(performance.now() - began).toFixed(0)} ms`);
    assert.deepEqual(new Set(statuses), new Set(["good"]));
  });

  test("fail/what is not there, and what is not taken", async () => {
    for (const [status, path, init] of [
      [404, "/", {}],
      [404, "/crl/other/issuing-1.crl", {}],
      [404, "/crl/default/issuing-2.crl", {}],
      [404, "/crl/default/issuing-1", {}],
      [404, "/crl/default/root-1.crl", {}],
      [404, "/crl/default/.crl", {}],
      [404, "/ca/default/issuing-1.crl", {}],
      [404, "/ocsp/other", posting(new Uint8Array())],
      [404, "/ocsp/other/MAA=", {}],
      [405, "/ocsp/default", {}],
      [405, "/crl/default/issuing-1.crl", { method: "DELETE" }],
      [413, "/ocsp/default", posting(new Uint8Array(16 * 1024 + 1))],
      [413, "/ocsp/default", posting(requestFor(1_000, issuer))],
      [415, "/ocsp/default", { ...posting(new Uint8Array()), headers: { "Content-Type": "text/plain" } }],
    ] as const)
      assert.equal((await at(path, init)).status, status, path);
  });

  test("fail/requests that are not OCSP, or too much of it: an OCSP answer that says so", async () => {
    const whole = buildOcspRequest({ issuer, serialNumber: Uint8Array.of(1) });
    const foreign = buildOcspRequest({ issuer: parseCertificate(service.root), serialNumber: Uint8Array.of(1) });
    for (const [status, path, init] of [
      ["malformedRequest", "/ocsp/default", posting(new Uint8Array())],
      ["malformedRequest", "/ocsp/default", posting(whole.subarray(0, -1))],
      ["malformedRequest", "/ocsp/default", posting(requestFor(100, issuer))],
      ["malformedRequest", "/ocsp/default/", {}],
      ["malformedRequest", "/ocsp/default/not*base64", {}],
      ["malformedRequest", `/ocsp/default/${base64(whole).slice(0, -2)}`, {}],
      ["unauthorized", "/ocsp/default", posting(foreign)],
      ["unauthorized", "/ocsp/demo", posting(whole)],
    ] as const) {
      const response = await at(path, init);
      assert.deepEqual([response.status, response.headers.get("cache-control")], [200, "no-store"], path);
      const parsed = parseOcspResponse(new Uint8Array(await response.arrayBuffer()));
      assert.deepEqual(parsed, { kind: "error", status }, path);
    }
  });

  test("ok/a restart serves the same list, and a forgotten demo a new one", async () => {
    const before = hex(await bytesAt("/crl/default/issuing-1.crl"));
    const demo = hex(await bytesAt("/ca/demo/issuing-1.cer"));
    await service.restart();
    assert.equal(hex(await bytesAt("/crl/default/issuing-1.crl")), before);
    assert.equal(hex(await bytesAt("/ca/demo/issuing-1.cer")), demo);
    await requestUnix(join(service.data, "api.sock"), { method: "DELETE", path: "/api/v1/demo" });
    const another = parseCertificate(await bytesAt("/ca/demo/issuing-1.cer"));
    assert.notEqual(hex(another.raw), demo);
    verifyCertificateList(parseCertificateList(await bytesAt("/crl/demo/issuing-1.crl")), another);
  });
});

function posting(body: Uint8Array) {
  return { method: "POST", headers: { "Content-Type": "application/ocsp-request" }, body: Uint8Array.from(body) };
}

/** One message that asks for `count` certificates. */
function requestFor(count: number, issuer: Certificate): Uint8Array {
  const one = der.sequence([encodeCertId("sha1", issuer, Uint8Array.of(1))]);
  return der.sequence([der.sequence([der.sequence(new Array<Uint8Array>(count).fill(one))])]);
}

/** What the openssl command says, while the service in this process can answer it. */
function openssl(...parameters: readonly string[]): Promise<{ readonly code: number | null; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn("openssl", parameters, { cwd: directory });
    let text = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, text }));
  });
}
