import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hex } from "../core/bytes.ts";
import { generateKey, privateKeyToPem, signerOf } from "../crypto/keys.ts";
import { decodePem, encodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName } from "./name.ts";
import { issuerNames, issuerOfCertId } from "./ocsp-cert-id.ts";
import { buildOcspRequest, parseOcspRequest } from "./ocsp-request.ts";
import { parseOcspResponse, verifyOcspResponse } from "./ocsp-response.ts";
import { buildOcspError, buildOcspResponse } from "./ocsp-response-build.ts";
import type { CertStatus } from "./ocsp-statuses.ts";
import { attributeTypes, keyPurposes } from "./oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeExtKeyUsage,
  encodeOcspNoCheck,
  subjectKeyIdentifierOf,
} from "./standard-extensions.ts";

// The openssl command as an independent judge of OCSP, in both directions.

const directory = mkdtempSync(join(tmpdir(), "hatchery-ocsp-"));
after(() => rmSync(directory, { recursive: true }));
const path = (name: string) => join(directory, name);
const hour = 3_600_000;
const now = Math.floor(Date.now() / 1000) * 1000;

function openssl(...parameters: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync("openssl", parameters, { cwd: directory, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout + stderr;
}

function pemOf(name: string): Certificate {
  const [pem] = decodePem(readFileSync(path(name), "utf8"));
  assert.ok(pem);
  return parseCertificate(pem.bytes);
}

/** A CA, a device's certificate with the serial number 0x8234 and a delegated responder, of which openssl made the CA. */
async function world(kind: "P-256" | "P-384" | "Ed25519" | "RSA-2048") {
  const key = generateKey(kind);
  const signer = signerOf(key);
  writeFileSync(path("ca.key"), privateKeyToPem(key));
  openssl("req", "-x509", "-key", "ca.key", "-subj", "/O=Größe/CN=CA", "-utf8", "-days", "2", "-out", "ca.pem");
  const issuer = pemOf("ca.pem");
  const issue = async (
    name: string,
    serialNumber: Uint8Array,
    extensions: readonly ReturnType<typeof encodeOcspNoCheck>[],
  ) => {
    const own = generateKey("P-256");
    const der = await buildCertificate({
      serialNumber,
      issuer: issuer.subject.raw,
      subject: encodeName([{ type: attributeTypes.commonName, value: name }]),
      publicKey: signerOf(own).publicKey,
      notBefore: now - hour,
      notAfter: now + 24 * hour,
      extensions: [
        ...extensions,
        encodeAuthorityKeyIdentifier(subjectKeyIdentifierOf(issuer.extensions) ?? new Uint8Array()),
      ],
      signer,
    });
    writeFileSync(path(`${name}.pem`), encodePem("CERTIFICATE", der));
    writeFileSync(path(`${name}.key`), privateKeyToPem(own));
    return { certificate: parseCertificate(der), signer: signerOf(own) };
  };
  const device = await issue("device", Uint8Array.of(0x82, 0x34), []);
  const responder = await issue("responder", Uint8Array.of(2), [
    encodeExtKeyUsage([keyPurposes.OCSPSigning]),
    encodeOcspNoCheck(),
  ]);
  return { issuer, signer, device, responder };
}

const statuses: readonly (readonly [CertStatus, RegExp])[] = [
  [{ kind: "good" }, /device\.pem: good/],
  [{ kind: "unknown" }, /device\.pem: unknown/],
  [{ kind: "revoked", revocationTime: now - hour }, /device\.pem: revoked\n(?!.*Reason)/],
  [
    { kind: "revoked", revocationTime: Date.UTC(2020, 0, 2, 3, 4, 5), reason: "keyCompromise" },
    /device\.pem: revoked[\s\S]*Reason: keyCompromise[\s\S]*Revocation Time: Jan {2}2 03:04:05 2020 GMT/,
  ],
];

test("ok/openssl's requests are read, and it verifies our answers to them", async () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const { issuer, signer, responder } = await world(kind);
    for (const digest of ["-sha1", "-sha256"])
      for (const delegated of [true, false])
        for (const [status, expected] of statuses) {
          openssl("ocsp", digest, "-issuer", "ca.pem", "-cert", "device.pem", "-nonce", "-reqout", "request.der");
          const { certIds, nonce } = parseOcspRequest(readFileSync(path("request.der")), 1);
          const [certId] = certIds;
          assert.ok(certId && nonce);
          assert.ok(issuerNames(issuer).includes(issuerOfCertId(certId)));
          assert.equal(hex(certId.serialNumber), "008234");
          const response = await buildOcspResponse({
            responses: [{ certId: certId.raw, status }],
            thisUpdate: now,
            nextUpdate: now + hour,
            nonce,
            ...(delegated ? { responder: responder.certificate.raw, signer: responder.signer } : { signer }),
          });
          writeFileSync(path("response.der"), response);
          // It would put another nonce into the request.
          const question = [
            "ocsp",
            digest,
            "-issuer",
            "ca.pem",
            "-cert",
            "device.pem",
            "-reqin",
            "request.der",
            "-no_nonce",
          ];
          const told = openssl(...question, "-respin", "response.der", "-CAfile", "ca.pem");
          assert.match(told, /Response verify OK/);
          assert.match(told, expected);
        }
  }
});

test("ok/openssl's signed requests are read", async () => {
  await world("P-256");
  openssl(
    "ocsp",
    "-issuer",
    "ca.pem",
    "-cert",
    "device.pem",
    "-serial",
    "7",
    "-signer",
    "responder.pem",
    "-signkey",
    "responder.key",
    "-reqout",
    "request.der",
  );
  const { signed, certIds } = parseOcspRequest(readFileSync(path("request.der")), 2);
  assert.deepEqual([signed, certIds.map(({ serialNumber }) => hex(serialNumber))], [true, ["008234", "07"]]);
});

test("ok/openssl shows our errors as what they are", () => {
  for (const [status, shown] of [
    ["malformedRequest", "malformedrequest (1)"],
    ["internalError", "internalerror (2)"],
    ["tryLater", "trylater (3)"],
    ["unauthorized", "unauthorized (6)"],
  ] as const) {
    writeFileSync(path("error.der"), buildOcspError(status));
    const { stdout, stderr } = spawnSync("openssl", ["ocsp", "-respin", path("error.der")], { encoding: "utf8" });
    assert.ok((stdout + stderr).includes(`Responder Error: ${shown}`), stdout + stderr);
  }
});

test("ok/answers of openssl's responder are read and verified", async () => {
  const date = (milliseconds: number) =>
    new Date(milliseconds)
      .toISOString()
      .replace(/[-:T]|\.\d+/g, "")
      .slice(2);
  const until = date(now + 24 * hour);
  const lines: readonly (readonly [string, CertStatus])[] = [
    [`V\t${until}\t\t8234\tunknown\t/CN=device`, { kind: "good" }],
    [
      `R\t${until}\t${date(now - hour)},superseded\t8234\tunknown\t/CN=device`,
      { kind: "revoked", revocationTime: now - hour, reason: "superseded" },
    ],
    [`V\t${until}\t\t99\tunknown\t/CN=other`, { kind: "unknown" }],
  ];
  for (const kind of ["P-256", "RSA-2048"] as const) {
    const { issuer, device } = await world(kind);
    const { serialNumber } = device.certificate;
    const nonce = new Uint8Array(32).fill(5);
    for (const signing of ["ca", "responder"])
      for (const [line, status] of lines) {
        writeFileSync(path("index.txt"), `${line}\n`);
        writeFileSync(path("request.der"), buildOcspRequest({ issuer, serialNumber, nonce, hash: "sha256" }));
        openssl(
          "ocsp",
          "-index",
          "index.txt",
          "-CA",
          "ca.pem",
          "-rsigner",
          `${signing}.pem`,
          "-rkey",
          `${signing}.key`,
          "-reqin",
          "request.der",
          "-respout",
          "response.der",
          "-ndays",
          "1",
        );
        const response = parseOcspResponse(readFileSync(path("response.der")));
        const expectation = { issuer, serialNumber, nonce, at: Date.now() };
        assert.deepEqual(verifyOcspResponse(response, expectation), status);
      }
  }
});
