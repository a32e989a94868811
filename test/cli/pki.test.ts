import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import {
  attributeTypes,
  buildCertificate,
  buildCertificateList,
  type Extension,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeKeyUsage,
  encodeName,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../../src/pki/index.ts";
import { hatchery } from "./fake-service.ts";

// `hatchery pki explain` as a process of its own, without any service.

const notBefore = Date.UTC(2026, 0, 1);
const notAfter = Date.UTC(2036, 0, 1);
const signer = signerOf(generateKey("P-256"));
const keyIdentifier = keyIdentifierOf(signer.publicKey);
const issuer = encodeName([{ type: attributeTypes.commonName, value: "Acme Root" }]);
const authority = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];
const root = await certificateOf(issuer, signer.publicKey, authority);
const device = await certificateOf(
  encodeName([{ type: attributeTypes.commonName, value: "lamp\u001b[2J\u202e" }]),
  signerOf(generateKey("P-256")).publicKey,
  [encodeKeyUsage(["digitalSignature"])],
);

function certificateOf(subject: Uint8Array, publicKey: Uint8Array, extensions: readonly Extension[]) {
  const identifiers = [
    encodeSubjectKeyIdentifier(keyIdentifierOf(publicKey)),
    encodeAuthorityKeyIdentifier(keyIdentifier),
  ];
  return buildCertificate({
    serialNumber: new Uint8Array(16).fill(0x5a),
    issuer,
    subject,
    publicKey,
    notBefore,
    notAfter,
    extensions: [...extensions, ...identifiers],
    signer,
  });
}

const directory = await mkdtemp(join(tmpdir(), "hatchery-pki-"));
after(() => rm(directory, { recursive: true }));

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, content);
  return file;
}

const day = ["--at", "2026-03-01"];

describe("pki explain", { concurrency: 4 }, () => {
  test("ok/a certificate in words, none of its controls, within 80 columns", async () => {
    const file = await fileOf("device.der", device);
    const { code, output, errors } = await hatchery(["pki", "explain", file, ...day]);
    assert.deepEqual([code, errors], [0, ""]);
    assert.match(output, /: This is the certificate of an end entity, valid for another 9\s+years\./);
    assert.match(output, /\n {2}subject {6}CN=lamp\\1b\[2J\\e2\\80\\ae\n/);
    assert.doesNotMatch(output, /[^\n\P{Cc}]|\p{Cf}/u);
    for (const line of output.split("\n").slice(1)) assert.ok(line.length <= 80, line);
  });

  test("ok/a path and no revocation", async () => {
    const anchor = await fileOf("root.pem", encodePem("CERTIFICATE", root));
    const list = await buildCertificateList({
      issuer,
      authorityKeyIdentifier: keyIdentifier,
      thisUpdate: notBefore,
      nextUpdate: notAfter,
      cRLNumber: Uint8Array.of(1),
      revokedCertificates: [],
      signer,
    });
    const crl = await fileOf("root.crl", list);
    const file = await fileOf("device.pem", encodePem("CERTIFICATE", device));
    const { code, output } = await hatchery(["pki", "explain", file, "--anchor", anchor, "--crl", crl, ...day]);
    assert.equal(code, 0);
    assert.match(output, /path +good as idevid, not revoked by the CRLs\n/);
  });

  test("ok/standard input, and JSON for programs", async () => {
    const input = encodePem("CERTIFICATE", root);
    const { code, output } = await hatchery(["pki", "explain", "-", "--json", ...day], { input });
    assert.equal(code, 0);
    const [explanation, more] = JSON.parse(output);
    assert.deepEqual(
      [explanation.file, explanation.kind, explanation.findings, more],
      ["-", "certificate", [], undefined],
    );
  });

  test("fail/what a strict reader refuses ends with 1, and says it once in JSON", async () => {
    const cut = await fileOf("cut.der", device.subarray(0, 200));
    const text = await hatchery(["pki", "explain", cut, ...day]);
    assert.equal(text.code, 1);
    assert.match(text.output, /At octet 0\. \(truncated\)\n/);
    const { code, output } = await hatchery(["pki", "explain", cut, "--json", ...day]);
    assert.equal(code, 1);
    assert.equal(JSON.parse(output)[0].findings[0].code, "truncated");
  });

  test("fail/expired on another day", async () => {
    const file = await fileOf("old.der", device);
    const { code, output } = await hatchery(["pki", "explain", file, "--at", "2040-01-01T00:00:00Z"]);
    assert.equal(code, 1);
    assert.match(output, /\(expired\)\n/);
  });

  test("fail/used wrongly", async () => {
    const file = await fileOf("some.der", device);
    const junk = await fileOf("junk", "junk");
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [["--at", "tomorrow"], /give a day such as 2026-03-01/],
      [["--anchor", junk], /junk holds nothing of the kind that is wanted/],
      [["--crl", junk], /junk holds nothing of the kind that is wanted/],
    ];
    for (const [options, sentence] of cases) {
      const { code, errors } = await hatchery(["pki", "explain", file, ...options]);
      assert.equal(code, 2);
      assert.match(errors, sentence);
    }
  });

  test("fail/one file of two is not there: the other one is explained all the same", async () => {
    const [good, none] = [await fileOf("good.der", root), join(directory, "none")];
    const text = await hatchery(["pki", "explain", none, good, ...day]);
    assert.deepEqual([text.code, text.errors], [1, `error: there is no file ${none}\n`]);
    assert.match(text.output, /good\.der: /);
    const { code, output } = await hatchery(["pki", "explain", none, good, "--json", ...day]);
    assert.equal(code, 1);
    const [first, second] = JSON.parse(output);
    assert.deepEqual(first, { file: none, error: { code: "file-unreadable", message: `there is no file ${none}` } });
    assert.equal(second.file, good);
  });

  test("fail/a file that is not there, or too large", async () => {
    const none = await hatchery(["pki", "explain", join(directory, "none")]);
    assert.equal(none.code, 1);
    assert.equal(none.errors, `error: there is no file ${join(directory, "none")}\n`);
    const folder = await hatchery(["pki", "explain", directory]);
    assert.deepEqual([folder.code, folder.errors], [1, `error: ${directory} is a directory; name a file\n`]);
    const large = await fileOf("large", new Uint8Array(10_000_001));
    const { code, errors } = await hatchery(["pki", "explain", large]);
    assert.equal(code, 1);
    assert.match(errors, /it has more than 10000000 bytes\n$/);
  });
});
