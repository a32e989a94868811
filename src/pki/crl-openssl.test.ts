import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hex } from "../core/bytes.ts";
import { generateKey, privateKeyToPem, signerOf } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { parseCertificate } from "./certificate.ts";
import { parseCertificateList, revocationOf, verifyCertificateList } from "./crl.ts";
import { buildCertificateList } from "./crl-build.ts";
import { subjectKeyIdentifierOf } from "./standard-extensions.ts";

// The openssl command as an independent judge of CRLs, in both directions.

const directory = mkdtempSync(join(tmpdir(), "hatchery-crl-"));
after(() => rmSync(directory, { recursive: true }));

/** What the command writes, complaints included: `crl -verify` says there what it found, and ends with 0 either way. */
function openssl(parameters: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync("openssl", parameters, { cwd: directory, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout + stderr;
}

function authority(kind: "P-256" | "P-384" | "Ed25519" | "RSA-2048") {
  const key = generateKey(kind);
  writeFileSync(join(directory, "ca.key"), privateKeyToPem(key));
  openssl(["req", "-x509", "-key", "ca.key", "-subj", "/O=Größe/CN=CA", "-utf8", "-days", "2", "-out", "ca.pem"]);
  const [pem] = decodePem(readFileSync(join(directory, "ca.pem"), "utf8"));
  assert.ok(pem);
  return { signer: signerOf(key), certificate: parseCertificate(pem.bytes) };
}

test("ok/openssl crl verifies our lists and shows the same", async () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const { signer, certificate } = authority(kind);
    const list = await buildCertificateList({
      issuer: certificate.subject.raw,
      authorityKeyIdentifier: subjectKeyIdentifierOf(certificate.extensions) ?? new Uint8Array(),
      thisUpdate: Date.UTC(2026, 5, 1),
      nextUpdate: Date.UTC(2050, 0, 1),
      cRLNumber: Uint8Array.of(0x12, 0x34),
      revokedCertificates: [
        { serialNumber: Uint8Array.of(0xab, 0xcd), revocationDate: Date.UTC(2026, 4, 30), reason: "superseded" },
        { serialNumber: Uint8Array.of(3), revocationDate: Date.UTC(2026, 4, 31), invalidityDate: Date.UTC(2001, 8, 9) },
      ],
      signer,
    });
    writeFileSync(join(directory, "list.der"), list);
    const parameters = ["crl", "-inform", "DER", "-in", "list.der", "-noout", "-text", "-CAfile", "ca.pem", "-verify"];
    const shown = openssl(parameters);
    assert.match(shown, /verify OK/);
    assert.match(shown, /Version 2/);
    assert.match(shown, /Next Update: Jan {2}1 00:00:00 2050 GMT/);
    assert.match(shown, /X509v3 CRL Number: \n +4660/);
    assert.match(shown, /Serial Number: ABCD\n.*\n +CRL entry extensions:\n +X509v3 CRL Reason Code: \n +Superseded/);
    assert.match(shown, /Serial Number: 03\n.*\n.*\n +Invalidity Date: \n +Sep {2}9 00:00:00 2001 GMT/);
    assert.match(shown, /X509v3 Authority Key Identifier/);
  }
});

test("ok/lists of openssl ca are verified and searched by us", () => {
  writeFileSync(
    join(directory, "ca.cnf"),
    "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=7\ncrl_extensions=e\n[e]\nauthorityKeyIdentifier=keyid\n",
  );
  const entries = [
    "R\t301231000000Z\t260102030405Z,keyCompromise\t1000\tunknown\t/CN=a",
    "R\t301231000000Z\t260103030405Z\tF00000000000000000000000000001\tunknown\t/CN=b",
    "R\t301231000000Z\t260104030405Z,CAkeyTime,20251231235959Z\t02\tunknown\t/CN=c",
    "V\t301231000000Z\t\t03\tunknown\t/CN=d",
  ];
  for (const kind of ["P-256", "RSA-2048"] as const) {
    const { certificate } = authority(kind);
    writeFileSync(join(directory, "index.txt"), `${entries.join("\n")}\n`);
    writeFileSync(join(directory, "number"), "FF\n");
    openssl(["ca", "-config", "ca.cnf", "-gencrl", "-keyfile", "ca.key", "-cert", "ca.pem", "-out", "list.pem"]);
    const [pem] = decodePem(readFileSync(join(directory, "list.pem"), "utf8"));
    assert.ok(pem);
    const list = parseCertificateList(pem.bytes);
    verifyCertificateList(list, certificate);
    assert.deepEqual([list.version, hex(list.cRLNumber ?? new Uint8Array())], [2, "00ff"]);
    const { serialNumber: _, ...first } = revocationOf(list, Uint8Array.of(0x10, 0x00)) ?? {};
    assert.deepEqual(first, { revocationDate: Date.UTC(2026, 0, 2, 3, 4, 5), reason: "keyCompromise" });
    assert.ok(revocationOf(list, Buffer.from("00f00000000000000000000000000001", "hex")));
    assert.deepEqual(
      [revocationOf(list, Uint8Array.of(2))].map((entry) => [entry?.reason, entry?.invalidityDate]),
      [["cACompromise", Date.UTC(2025, 11, 31, 23, 59, 59)]],
    );
    assert.equal(revocationOf(list, Uint8Array.of(3)), undefined);
  }
});
