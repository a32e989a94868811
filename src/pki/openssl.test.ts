import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { equal } from "../core/bytes.ts";
import { generateKey, privateKeyFromPem, privateKeyToPem, signerOf, verifySignature } from "../crypto/keys.ts";
import { decodePem, encodePem } from "../encoding/pem.ts";
import { parseCertificate } from "./certificate.ts";
import { decodeCertsOnly, encodeCertsOnly } from "./cms.ts";
import { buildCertificationRequest, parseCertificationRequest, verifyProofOfPossession } from "./csr.ts";
import { extensionOf } from "./extensions.ts";
import { buildCertificate } from "./issue.ts";
import { encodeName, formatName, parseName } from "./name.ts";
import { attributeTypes, extensionTypes, keyPurposes } from "./oids.ts";
import { validatePath } from "./path.ts";
import {
  basicConstraintsOf,
  encodeAuthorityKeyIdentifier,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectAltName,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
  keyUsageOf,
  subjectAltNameOf,
} from "./standard-extensions.ts";

// The openssl command as an independent judge, in both directions.

const directory = mkdtempSync(join(tmpdir(), "hatchery-pki-"));
after(() => rmSync(directory, { recursive: true }));

function openssl(parameters: readonly string[], input: string | Uint8Array = ""): Buffer {
  return execFileSync("openssl", parameters, { input, stdio: ["pipe", "pipe", "ignore"], cwd: directory });
}

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

const algorithms = {
  "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"],
  Ed25519: ["-newkey", "ed25519"],
  "RSA with SHA-256": ["-newkey", "rsa:2048"],
  "RSASSA-PSS": ["-newkey", "rsa:2048", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"],
} as const;

const subject = encodeName([
  { type: attributeTypes.countryName, value: "DE" },
  { type: attributeTypes.organizationName, value: "Größe & Söhne" },
  { type: attributeTypes.serialNumber, value: "SN-42" },
]);

test("ok/requests of openssl req", () => {
  for (const [name, parameters] of Object.entries(algorithms)) {
    const request = parseCertificationRequest(
      openssl(
        [
          "req",
          "-new",
          "-nodes",
          "-keyout",
          "/dev/null",
          "-outform",
          "DER",
          "-utf8",
          "-subj",
          "/C=DE/O=Größe/CN=a+OU=b",
        ]
          .concat(parameters)
          .concat([
            "-addext",
            "subjectAltName=DNS:device.example,IP:192.0.2.1",
            "-addext",
            "keyUsage=digitalSignature",
          ]),
      ),
    );
    assert.equal(verifyProofOfPossession(request), true, name);
    assert.equal(formatName(request.subject), "CN=a+OU=b,O=Größe,C=DE");
    assert.deepEqual([...(keyUsageOf(request.extensionRequest) ?? [])], ["digitalSignature"]);
    assert.deepEqual(
      subjectAltNameOf(request.extensionRequest)?.map(({ kind }) => kind),
      ["dNSName", "iPAddress"],
    );
  }
});

test("ok/a request of openssl req with a challengePassword", () => {
  const configuration = "[req]\ndistinguished_name=dn\nattributes=attributes\nprompt=no\n[dn]\nCN=a\n[attributes]\n";
  const path = file("challenge.cnf", `${configuration}challengePassword=+rrCir/7+EYu50T4\n`);
  const der = openssl([
    ...["req", "-new", "-nodes", "-keyout", "/dev/null", "-outform", "DER", "-config", path],
    ...algorithms["P-256"],
  ]);
  assert.equal(parseCertificationRequest(der).challengePassword, "+rrCir/7+EYu50T4");
});

test("ok/openssl req verifies our requests and shows the same", async () => {
  for (const kind of ["P-256", "P-384", "Ed25519", "RSA-2048"] as const) {
    const extensions = [
      encodeKeyUsage(["digitalSignature"]),
      encodeExtKeyUsage([keyPurposes.clientAuth]),
      encodeSubjectAltName([
        { kind: "dNSName", text: "device.example" },
        { kind: "iPAddress", address: Uint8Array.of(192, 0, 2, 1) },
        { kind: "directoryName", name: parseName(subject) },
      ]),
    ];
    const signer = signerOf(generateKey(kind));
    const request = await buildCertificationRequest({ subject, signer, extensions, challengePassword: "a@b" });
    const shown = openssl(
      ["req", "-inform", "DER", "-verify", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb,utf8"],
      request,
    ).toString();
    assert.match(shown, /Subject: serialNumber=SN-42,O=Größe & Söhne,C=DE/);
    assert.match(shown, /challengePassword\s*:a@b/);
    assert.match(shown, /DNS:device\.example, IP Address:192\.0\.2\.1, DirName:/);
    assert.match(shown, /TLS Web Client Authentication/);
  }
});

test("ok/openssl verify accepts our chain, and we accept it too", async () => {
  const rootName = encodeName([{ type: attributeTypes.commonName, value: "Root" }]);
  const issuingName = encodeName([{ type: attributeTypes.commonName, value: "Issuing" }]);
  const [rootKey, issuingKey, deviceKey] = (["P-384", "P-256", "P-256"] as const).map((kind) =>
    signerOf(generateKey(kind)),
  );
  assert.ok(rootKey && issuingKey && deviceKey);
  const now = Date.UTC(2026, 5, 1);
  const dates = { notBefore: now - 60_000, notAfter: 253_402_300_799_000 };
  const identifiers = (key: Uint8Array, issuer: Uint8Array) => [
    encodeSubjectKeyIdentifier(keyIdentifierOf(key)),
    encodeAuthorityKeyIdentifier(keyIdentifierOf(issuer)),
  ];
  const authority = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign", "cRLSign"])];
  const root = await buildCertificate({
    ...dates,
    serialNumber: Uint8Array.of(0xff),
    issuer: rootName,
    subject: rootName,
    publicKey: rootKey.publicKey,
    extensions: [...authority, ...identifiers(rootKey.publicKey, rootKey.publicKey)],
    signer: rootKey,
  });
  const issuing = await buildCertificate({
    ...dates,
    serialNumber: Uint8Array.of(2),
    issuer: rootName,
    subject: issuingName,
    publicKey: issuingKey.publicKey,
    extensions: [
      encodeBasicConstraints({ cA: true, pathLenConstraint: 0 }),
      encodeKeyUsage(["keyCertSign"]),
      ...identifiers(issuingKey.publicKey, rootKey.publicKey),
    ],
    signer: rootKey,
  });
  const device = await buildCertificate({
    ...dates,
    serialNumber: Uint8Array.of(3),
    issuer: issuingName,
    subject,
    publicKey: deviceKey.publicKey,
    extensions: [
      encodeKeyUsage(["digitalSignature"]),
      encodeExtKeyUsage([keyPurposes.clientAuth]),
      ...identifiers(deviceKey.publicKey, issuingKey.publicKey),
    ],
    signer: issuingKey,
  });
  const rootFile = file("root.pem", encodePem("CERTIFICATE", root));
  const issuingFile = file("issuing.pem", encodePem("CERTIFICATE", issuing));
  const deviceFile = file("device.pem", encodePem("CERTIFICATE", device));
  const verdict = openssl([
    ...[
      "verify",
      "-x509_strict",
      "-purpose",
      "sslclient",
      "-attime",
      String(now / 1000),
      "-CAfile",
      rootFile,
      "-untrusted",
      issuingFile,
      deviceFile,
    ],
  ]);
  assert.match(verdict.toString(), /: OK\n$/);
  const chain = [device, issuing].map(parseCertificate);
  const path = validatePath({ chain, anchors: [parseCertificate(root)], at: now, profile: "tls-client" });
  assert.equal(path.signaturesVerified, 2);

  // Our certs-only message in openssl, and the one of openssl with us.
  const printed = openssl(["pkcs7", "-inform", "DER", "-print_certs"], encodeCertsOnly([device, issuing, root]));
  const found = decodePem(printed.toString());
  assert.equal(found.length, 3);
  for (const expected of [device, issuing, root]) assert.ok(found.some(({ bytes }) => equal(bytes, expected)));
  const theirs = openssl([
    ...["crl2pkcs7", "-nocrl", "-certfile", deviceFile, "-certfile", rootFile, "-outform", "DER"],
  ]);
  const decoded = decodeCertsOnly(theirs);
  assert.equal(decoded.length, 2);
  for (const expected of [device, root]) assert.ok(decoded.some((bytes) => equal(bytes, expected)));
});

test("ok/a chain of openssl is accepted by us", () => {
  const rootFile = join(directory, "their-root.pem");
  const keyFile = join(directory, "their-root.key");
  openssl([
    ...["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=Their Root", "-out", rootFile, "-keyout", keyFile],
    ...algorithms["P-256"],
  ]);
  const requestFile = file(
    "their.csr",
    openssl(["req", "-new", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=d", ...algorithms["RSA with SHA-256"]]),
  );
  const extensionFile = file(
    "their.ext",
    "basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=clientAuth\n",
  );
  const leafPem = openssl([
    ...[
      "x509",
      "-req",
      "-days",
      "1",
      "-in",
      requestFile,
      "-CA",
      rootFile,
      "-CAkey",
      keyFile,
      "-extfile",
      extensionFile,
    ],
  ]).toString();
  const certificates = [leafPem, openssl(["x509", "-in", rootFile]).toString()]
    .flatMap(decodePem)
    .map(({ bytes }) => parseCertificate(bytes));
  const [leaf, root] = certificates;
  assert.ok(leaf && root);
  assert.deepEqual(basicConstraintsOf(leaf.extensions), { cA: false });
  assert.ok(extensionOf(leaf.extensions, extensionTypes.extKeyUsage));
  const { anchor } = validatePath({ chain: [leaf], anchors: [root], at: leaf.notBefore, profile: "tls-client" });
  assert.equal(anchor, root);
});

test("ok/a streamed CMS of openssl is BER, and is told apart from certs-only", () => {
  const key = generateKey("P-256");
  const keyFile = file("signer.key", privateKeyToPem(key));
  const certificateFile = join(directory, "signer.pem");
  openssl(["req", "-x509", "-key", keyFile, "-subj", "/CN=Signer", "-days", "1", "-out", certificateFile]);
  const message = openssl(
    [
      "cms",
      "-sign",
      "-stream",
      "-indef",
      "-nodetach",
      "-binary",
      "-outform",
      "DER",
      "-signer",
      certificateFile,
      "-inkey",
      keyFile,
    ],
    "content",
  );
  assert.equal(message[1], 0x80);
  assert.throws(() => decodeCertsOnly(message), { code: "not-certs-only" });
});

test("ok/a private key of openssl signs what openssl verifies", () => {
  const key = privateKeyFromPem(
    openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]).toString(),
  );
  const signer = signerOf(key);
  const data = new Uint8Array(100).fill(7);
  const signature = signer.sign(data);
  const publicFile = file("public.pem", encodePem("PUBLIC KEY", signer.publicKey));
  const signatureFile = file("signature.bin", signature);
  const verdict = openssl(["dgst", "-sha256", "-verify", publicFile, "-signature", signatureFile], data);
  assert.match(verdict.toString(), /Verified OK/);
  const certificate = parseCertificate(
    openssl(["req", "-x509", "-key", file("key.pem", privateKeyToPem(key)), "-subj", "/CN=x", "-outform", "DER"]),
  );
  const { publicKey, signatureAlgorithm, tbsCertificate } = certificate;
  assert.ok(verifySignature(publicKey, signatureAlgorithm, tbsCertificate, certificate.signature));
});
