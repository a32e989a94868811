import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { privateKeyToPem, verifySignature } from "../../src/crypto/keys.ts";
import { decodeDer } from "../../src/encoding/der.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { tags } from "../../src/encoding/tags.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { parseCertificateList, verifyCertificateList } from "../../src/pki/crl.ts";
import { buildCertificationRequest } from "../../src/pki/csr.ts";
import { formatName } from "../../src/pki/name.ts";
import {
  directoryStrings,
  keys,
  numberOf,
  randomCertificate,
  randomDates,
  randomName,
  randomSerialNumber,
  type StringTypes,
  selfSigned,
} from "./material.ts";
import { openOpenssl, opensslPresent } from "./openssl.ts";
import { randomOf } from "./random.ts";

// The openssl command as an independent reader and writer of generated material. CMS is in
// src/pki/cms-signed-data-openssl.test.ts and src/pki/cms-enveloped-data-openssl.test.ts.

if (opensslPresent) {
  const openssl = openOpenssl();
  after(() => openssl.remove());

  for (const key of keys)
    test(`ok/certificates of ours have the same values in openssl, ${key.kind}`, async () => {
      for (let i = 0; i < rounds; i += 1) {
        const made = await randomCertificate(randomOf(`openssl ${key.kind} ${i}`), key, directoryStrings);
        openssl.file("own.der", made.raw);
        const { good, output, complaint } = openssl.run([
          ...["x509", "-inform", "DER", "-in", "own.der", "-noout", "-serial", "-startdate", "-enddate"],
          ...["-subject", "-issuer", "-nameopt", "RFC2253,utf8,-esc_msb"],
        ]);
        assert.ok(good, complaint);
        const values = new Map(
          output.split("\n").map((line) => [line.replace(/=.*/, ""), line.replace(/^[^=]*=/, "")]),
        );
        const { subject, issuer } = parseCertificate(made.raw);
        assert.equal(
          values
            .get("serial")
            ?.toLowerCase()
            .replace(/^0+(?=.)/, ""),
          numberOf(made.serialNumber),
        );
        assert.equal(Date.parse(values.get("notBefore") ?? ""), made.notBefore);
        assert.equal(Date.parse(values.get("notAfter") ?? ""), made.notAfter);
        assert.equal(values.get("subject"), formatName(subject));
        assert.equal(values.get("issuer"), formatName(issuer));
      }
    });

  for (const key of keys)
    test(`ok/what openssl ca issues and revokes has the same values with us, ${key.kind}`, async () => {
      const issuer = await selfSigned(key);
      openssl.file("ca.pem", encodePem("CERTIFICATE", issuer.raw));
      openssl.file("ca.key", privateKeyToPem(key.privateKey));
      openssl.file("ca.cnf", configuration);
      openssl.file("index.txt", "");
      openssl.file("crlnumber", "0F");
      const revoked: string[] = [];
      for (let i = 0; i < rounds; i += 1) {
        const random = randomOf(`openssl ca ${key.kind} ${i}`);
        const subject = randomName(random, issuable);
        const { notBefore, notAfter } = randomDates(random);
        const serialNumber = randomSerialNumber(random);
        const request = await buildCertificationRequest({ subject: subject.raw, signer: key.signer });
        openssl.file("request.pem", encodePem("CERTIFICATE REQUEST", request));
        openssl.file("serial", hex(serialNumber));
        const dates = ["-startdate", timeText(notBefore), "-enddate", timeText(notAfter)];
        const issued = openssl.run([
          "ca",
          "-config",
          "ca.cnf",
          "-batch",
          "-in",
          "request.pem",
          "-out",
          "issued.pem",
          ...dates,
        ]);
        assert.ok(issued.good, issued.complaint);
        const read = parseCertificate(
          Buffer.from(openssl.run(["x509", "-in", "issued.pem"]).output.replace(/-----[^-]*-----|\s/g, ""), "base64"),
        );
        assert.equal(numberOf(read.serialNumber), numberOf(serialNumber));
        assert.deepEqual([read.notBefore, read.notAfter], [notBefore, notAfter]);
        const rdns = (name: Uint8Array) => decodeDer(name, (reader) => reader.listOf((rdn) => hex(rdn.any().raw), 32));
        // In the order of its policy.
        assert.deepEqual(rdns(read.subject.raw).sort(), rdns(subject.raw).sort());
        assert.equal(hex(read.issuer.raw), hex(issuer.subject.raw));
        assert.equal(hex(read.subjectPublicKeyInfo), hex(key.signer.publicKey));
        const { signatureAlgorithm, tbsCertificate, signature } = read;
        assert.ok(verifySignature(issuer.publicKey, signatureAlgorithm, tbsCertificate, signature));
        if (!random.chance(2)) continue;
        assert.ok(
          openssl.run(["ca", "-config", "ca.cnf", "-revoke", "issued.pem", "-crl_reason", "keyCompromise"]).good,
        );
        revoked.push(numberOf(serialNumber));
      }
      assert.ok(openssl.run(["ca", "-config", "ca.cnf", "-gencrl", "-crldays", "2", "-out", "crl.pem"]).good);
      openssl.run(["crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der"]);
      const list = parseCertificateList(readFileSync(join(openssl.directory, "crl.der")));
      verifyCertificateList(list, issuer);
      assert.equal(numberOf(list.cRLNumber ?? new Uint8Array()), "f");
      assert.deepEqual(
        [...list.revokedCertificates].map(({ serialNumber }) => numberOf(serialNumber)).sort(),
        revoked.sort(),
      );
      assert.ok([...list.revokedCertificates].every(({ reason }) => reason === "keyCompromise"));
    });
}

function timeText(milliseconds: number): string {
  return Buffer.from(der.time(milliseconds).subarray(2)).toString("latin1");
}

/** What openssl ca does not take for characters of a wrong type. */
const issuable: StringTypes = [
  [tags.utf8String, ["a", "Größe & Söhne", "日本", " padded ", "#1"]],
  [tags.printableString, ["A1 (b) - c/d: e?", "sn-1"]],
  [tags.bmpString, ["A€"]],
];

/** Takes all attributes of names here, in this order. */
const configuration = `
[ca]
default_ca = own
[own]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = default
unique_subject = no
policy = anything
[anything]
CN = optional
O = optional
OU = optional
serialNumber = optional
C = optional
L = optional
UID = optional
DC = optional
`;

const rounds = 8;
