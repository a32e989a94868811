import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { equal, utf8, view } from "../../../src/core/bytes.ts";
import { seededRandomness } from "../../../src/core/randomness.ts";
import { signerOf } from "../../../src/crypto/keys.ts";
import { decodeWireBase64 } from "../../../src/encoding/base64.ts";
import { derOfBer } from "../../../src/encoding/ber.ts";
import { parseCertificate } from "../../../src/pki/certificate.ts";
import { decodeCertsOnly, encodeCertsOnly } from "../../../src/pki/cms.ts";
import { type DecryptionKey, decryptEnvelopedData, parseEnvelopedData } from "../../../src/pki/cms-enveloped-data.ts";
import { encryptEnvelopedData, type Recipient } from "../../../src/pki/cms-enveloped-data-build.ts";
import { CmsError } from "../../../src/pki/cms-errors.ts";
import { type CertificateIdentifier, issuerAndSerialNumberOf } from "../../../src/pki/cms-identifier.ts";
import { parseSignedData, verifySignedData } from "../../../src/pki/cms-signed-data.ts";
import { buildSignedData } from "../../../src/pki/cms-signed-data-build.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { contentTypes } from "../../../src/pki/oids.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { certificates, keyOf, messages, privateKeys, streamed } from "./samples.ts";

/** CMS messages: certs-only, signed, and encrypted in each of the ways that are understood. */
export async function cmsTargets(): Promise<readonly Target[]> {
  return [
    ...targetsOf("certs-only", messages, readCertsOnly, "ber"),
    ...targetsOf("certs-only", { streamed: streamed(messages["RFC 9148 A.1"] as Uint8Array) }, readCertsOnly),
    ...(await signedTargets()),
    ...envelopedTargets(),
  ];
}

function readCertsOnly(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError], () => {
    const found = decodeCertsOnly(input);
    for (const certificate of found) assert.ok(view(input).includes(certificate));
    const sorted = [...found].sort(Buffer.compare);
    assert.deepEqual([...decodeCertsOnly(encodeCertsOnly(found))], sorted, "certificates that were written are others");
  });
}

async function signedTargets(): Promise<readonly Target[]> {
  const certificate = parseCertificate(certificates["Ed25519"] as Uint8Array);
  const signer = { signer: signerOf(keyOf("own")), sid: issuerAndSerialNumberOf(certificate), signingTime: now };
  const message = { eContentType: contentTypes.data, content, signers: [signer] };
  const samples = {
    "RFC 8995 C.2.1": bytesOf(vouchers.rfc8995C2.voucherRequest),
    "RFC 8995 C.2.3": bytesOf(vouchers.rfc8995C2.voucher),
    "with certificates": await buildSignedData({ ...message, certificates: [certificate.raw] }),
    "of two signers": await buildSignedData({
      ...message,
      certificates: [certificate.raw],
      signers: [signer, { ...signer, sid: { kind: "subjectKeyIdentifier", keyIdentifier: Uint8Array.of(1, 2) } }],
    }),
  };
  const contents = Object.values(samples).map((sample) => parseSignedData(sample).eContent);
  return targetsOf("SignedData", samples, read, "ber");

  function read(input: Uint8Array): boolean {
    return readsOrRefuses(
      [CmsError],
      () => {
        const parsed = parseSignedData(input);
        assert.deepEqual(parseSignedData(derOfBer(input, input.length)), parsed, "its DER is read as another message");
        for (const part of [...parsed.certificates, ...parsed.crls]) assert.ok(view(input).includes(part));
      },
      () => {
        const verified = verifySignedData(parseSignedData(input));
        assert.ok(
          contents.some((one) => one !== undefined && equal(one, verified.content)),
          "a content that nobody signed is believed",
        );
        assert.ok(verified.signers.length > 0);
      },
    );
  }
}

function envelopedTargets(): readonly Target[] {
  const kek: Recipient & DecryptionKey = {
    ...{ kind: "keyEncryptionKey", keyIdentifier: utf8("device 7"), key: new Uint8Array(32).fill(3) },
  };
  const made = (contentEncryption: "aes256-GCM" | "aes128-CBC", contentType: string) =>
    encryptEnvelopedData({ contentType, content, contentEncryption, recipients: [kek] }, seededRandomness("fuzz"));
  const samples: readonly (readonly [name: string, sample: Uint8Array, key: DecryptionKey])[] = [
    ["AES-GCM under a key", made("aes256-GCM", contentTypes.data), kek],
    ["AES-GCM with attributes", made("aes256-GCM", "2.16.840.1.101.2.1.2.78.5"), kek],
    ["AES-CBC under a key", made("aes128-CBC", contentTypes.data), kek],
    ...Object.entries(enveloped.messages).map(
      ([kind, message]) => [kind, bytesOf(message), opener(kind.split(",", 1)[0] ?? "")] as const,
    ),
  ];
  return samples.flatMap(([name, sample, key]) =>
    targetsOf("EnvelopedData", { [name]: sample }, (input) => readEnveloped(input, key), "ber"),
  );
}

function readEnveloped(input: Uint8Array, key: DecryptionKey): boolean {
  return readsOrRefuses(
    [CmsError],
    () => {
      const parsed = parseEnvelopedData(input);
      assert.deepEqual(parseEnvelopedData(derOfBer(input, input.length)), parsed, "its DER is read as another message");
    },
    () => {
      const decrypted = decryptEnvelopedData(parseEnvelopedData(input), key, seededRandomness("decrypt"));
      if (decrypted.authenticated) assert.ok(equal(decrypted.content, content), "a changed content is believed");
    },
  );
}

/** The private key of this kind, under the identifier that all messages here give it. */
function opener(kind: string): DecryptionKey {
  const privateKey = privateKeys[kind];
  assert.ok(privateKey !== undefined, `there is no private key of the kind ${kind}`);
  return { kind: "privateKey", privateKey, identifiers: [identifier] };
}

function bytesOf(text: string): Uint8Array {
  return decodeWireBase64(utf8(text));
}

const identifier: CertificateIdentifier = { kind: "subjectKeyIdentifier", keyIdentifier: utf8("device 7") };
const content = utf8("a private key, say");
const vouchers: {
  readonly rfc8995C2: { readonly voucherRequest: string; readonly voucher: string };
} = JSON.parse(readFileSync(new URL("../../../src/pki/testdata/rfc8995.json", import.meta.url), "utf8"));
const enveloped: { readonly messages: Readonly<Record<string, string>> } = JSON.parse(
  readFileSync(new URL("enveloped.json", import.meta.url), "utf8"),
);
