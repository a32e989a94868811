import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { equal, hex, utf8 } from "../core/bytes.ts";
import { generateKey, type PrivateKey, privateKeyToPem, signerOf } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { identifiersOf } from "./cms-identifier.ts";
import { parseSignedData, verifySignedData } from "./cms-signed-data.ts";
import { buildSignedData } from "./cms-signed-data-build.ts";
import { contentTypes } from "./oids.ts";

// The openssl command as an independent judge of SignedData, in both directions. OpenSSL 3.0 has no Ed25519 in CMS.

const directory = mkdtempSync(join(tmpdir(), "hatchery-cms-"));
after(() => rmSync(directory, { recursive: true }));

const content = utf8('{"ietf-voucher:voucher":{}}');
writeFileSync(join(directory, "content"), content);

function openssl(...parameters: readonly string[]): Buffer {
  return execFileSync("openssl", parameters, { stdio: ["ignore", "pipe", "ignore"], cwd: directory });
}

function identity(name: string, key: PrivateKey): { readonly key: PrivateKey; readonly certificate: Certificate } {
  writeFileSync(join(directory, `${name}.key`), privateKeyToPem(key));
  openssl("req", "-x509", "-key", `${name}.key`, "-subj", `/CN=${name}`, "-days", "2", "-out", `${name}.pem`);
  const [pem] = decodePem(readFileSync(join(directory, `${name}.pem`), "utf8"));
  assert.ok(pem);
  return { key, certificate: parseCertificate(pem.bytes) };
}

const identities = {
  p256: identity("p256", generateKey("P-256")),
  p384: identity("p384", generateKey("P-384")),
  p521: identity("p521", generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey),
  rsa: identity("rsa", generateKey("RSA-2048")),
} as const;
type IdentityName = keyof typeof identities;

function signedByOpenssl(name: IdentityName, ...parameters: readonly string[]): Buffer {
  const files = ["-in", "content", "-binary", "-signer", `${name}.pem`, "-inkey", `${name}.key`, "-outform", "DER"];
  return openssl("cms", "-sign", ...files, ...parameters);
}

const theirs: readonly (readonly [IdentityName, ...string[]])[] = [
  ["p256", "-nodetach"],
  ["p256", "-nodetach", "-keyid"],
  ["p256", "-nodetach", "-econtent_type", contentTypes.animaJsonVoucher],
  ["p256", "-nodetach", "-stream", "-indef"],
  ["p384", "-nodetach", "-md", "sha384"],
  ["p384", "-nodetach", "-md", "sha256"],
  ["p521", "-nodetach", "-md", "sha512"],
  ["rsa", "-nodetach"],
  ["rsa", "-nodetach", "-md", "sha512"],
  ["rsa", "-nodetach", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:-1"],
];

for (const [name, ...parameters] of theirs) {
  test(`ok/signed by openssl: ${name} ${parameters.join(" ")}`, () => {
    const message = signedByOpenssl(name, ...parameters);
    assert.equal(message[1] === 0x80, parameters.includes("-indef"));
    const verified = verifySignedData(parseSignedData(message));
    assert.ok(equal(verified.content, content));
    const expectedType = parameters.includes("-econtent_type") ? contentTypes.animaJsonVoucher : contentTypes.data;
    assert.equal(verified.eContentType, expectedType);
    const [signer] = verified.signers;
    assert.ok(signer?.signingTime);
    assert.equal(hex(signer.certificate.raw), hex(identities[name].certificate.raw));
  });
}

test("ok/signed by openssl, detached, without certificates", () => {
  const parsed = parseSignedData(signedByOpenssl("p256", "-nocerts"));
  assert.deepEqual([parsed.certificates, parsed.eContent], [[], undefined]);
  const { certificate } = identities.p256;
  assert.equal(verifySignedData(parsed, { content, certificates: [certificate] }).signers.length, 1);
});

test("ok/signed by openssl, several signers", () => {
  const message = signedByOpenssl("p256", "-nodetach", "-signer", "rsa.pem", "-inkey", "rsa.key");
  assert.equal(verifySignedData(parseSignedData(message)).signers.length, 2);
});

test("fail/signed by openssl with SHA-1, and without signed attributes", () => {
  const sha1 = parseSignedData(signedByOpenssl("rsa", "-nodetach", "-md", "sha1"));
  assert.throws(() => verifySignedData(sha1), { name: "CmsError", code: "unsupported-algorithm" });
  const bare = parseSignedData(signedByOpenssl("p256", "-nodetach", "-noattr"));
  assert.throws(() => verifySignedData(bare), { name: "CmsError", code: "bad-attributes" });
});

test("ok/openssl cms verifies what is built", async () => {
  for (const [name, { key, certificate }] of Object.entries(identities)) {
    for (const sid of identifiersOf(certificate)) {
      for (const detached of [false, true]) {
        const message = await buildSignedData({
          eContentType: sid.kind === "subjectKeyIdentifier" ? contentTypes.data : contentTypes.animaJsonVoucher,
          content,
          detached,
          signers: [{ signer: signerOf(key), sid, signingTime: Date.now() }],
          certificates: [certificate.raw],
        });
        writeFileSync(join(directory, "message"), message);
        const attached = detached ? ["-content", "content"] : [];
        const files = ["-inform", "DER", "-in", "message", "-CAfile", `${name}.pem`, ...attached];
        assert.ok(equal(openssl("cms", "-verify", "-binary", "-purpose", "any", ...files), content), name);
      }
    }
  }
});

test("ok/openssl cms verifies several signers, and finds the certificates and the CRL", async () => {
  const { p256, rsa } = identities;
  const sid = (certificate: Certificate) => identifiersOf(certificate)[0] ?? assert.fail();
  writeFileSync(join(directory, "index.txt"), "");
  writeFileSync(join(directory, "ca.cnf"), "[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ndefault_md=sha256\n");
  const parameters = ["-config", "ca.cnf", "-gencrl", "-crldays", "1", "-keyfile", "p256.key", "-cert", "p256.pem"];
  const [crl] = decodePem(openssl("ca", ...parameters).toString());
  assert.ok(crl);
  const message = await buildSignedData({
    eContentType: contentTypes.data,
    content,
    signers: [
      { signer: signerOf(p256.key), sid: sid(p256.certificate) },
      { signer: signerOf(rsa.key), sid: sid(rsa.certificate) },
    ],
    certificates: [p256.certificate.raw, rsa.certificate.raw],
    crls: [crl.bytes],
  });
  writeFileSync(join(directory, "message"), message);
  writeFileSync(
    join(directory, "both.pem"),
    openssl("x509", "-in", "p256.pem") + openssl("x509", "-in", "rsa.pem").toString(),
  );
  const files = ["-inform", "DER", "-in", "message", "-CAfile", "both.pem", "-purpose", "any"];
  assert.ok(equal(openssl("cms", "-verify", "-binary", ...files), content));
  const printed = openssl("pkcs7", "-inform", "DER", "-in", "message", "-print_certs", "-noout").toString();
  assert.match(printed, /CN = p256[\s\S]*CN = rsa|CN = rsa[\s\S]*CN = p256/);
  assert.deepEqual(parseSignedData(message).crls.map(hex), [hex(crl.bytes)]);
});
