import assert from "node:assert/strict";
import { test } from "node:test";
import { base64, hex, utf8 } from "../../core/bytes.ts";
import { encodeCertsOnly } from "../../pki/cms.ts";
import type { HttpResponse } from "../../transport/http/message.ts";
import { newAuthority } from "./fixtures.test-support.ts";
import { decodeGenerated, encodeGenerated } from "./http-generated.ts";

const { certificate } = await newAuthority("any");
const bytes = utf8("a private key, say");
const key = `Content-Type: application/pkcs8\r\n\r\n${base64(bytes)}`;
const enveloped = `Content-Type: application/pkcs7-mime; smime-type="Server-Generated-Key"\r\n\r\n${base64(bytes)}`;
const certsOnly = base64(encodeCertsOnly([certificate.raw]));
const certificates = `Content-Type: application/pkcs7-mime ; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n\r\n${certsOnly}`;

function answer(parts: readonly string[], type = "multipart/mixed; boundary=b"): HttpResponse {
  const body = [...parts.map((part) => `--b\r\n${part}\r\n`), "--b--\r\n"].join("");
  return { status: 200, headers: [["Content-Type", type]], body: utf8(body) };
}

for (const form of ["pkcs8", "enveloped"] as const)
  for (const layout of ["line", "wrapped"] as const)
    test(`ok/generated: a ${form} key on ${layout} base64 is read as it was written`, () => {
      const reply = { kind: "generated", certificate: certificate.raw, key: { form, bytes } } as const;
      const written = encodeGenerated(reply, layout, [["Hatchery-Run", "1"]]);
      assert.deepEqual(written.headers.slice(1), [
        ["Cache-Control", "no-store"],
        ["Hatchery-Run", "1"],
      ]);
      const read = decodeGenerated(written);
      assert.deepEqual([read.key.form, hex(read.key.bytes)], [form, hex(bytes)]);
      assert.deepEqual(
        read.certificates.map(({ raw }) => hex(raw)),
        [hex(certificate.raw)],
      );
    });

const tolerated: Readonly<Record<string, HttpResponse>> = {
  "the key last": answer([certificates, key]),
  "certificates without smime-type": answer([key, certificates.replace(" ; smime-type=certs-only", "")]),
  "a part of another type": answer(["Content-Type: text/plain\r\n\r\nfor people", key, certificates]),
  "the type in capitals and its boundary in quotation marks": answer(
    [key, certificates],
    'Multipart/Mixed;BOUNDARY="b"',
  ),
  "a part without a type": answer(["\r\nfor people", key, certificates]),
};
for (const [name, response] of Object.entries(tolerated))
  test(`ok/generated: ${name}`, () => {
    assert.equal(decodeGenerated(response).key.form, "pkcs8");
  });

test("ok/generated: a boundary with an equals sign", () => {
  const body = Buffer.from(answer([key, certificates]).body)
    .toString()
    .replaceAll("--b", "--a=b");
  const headers = [["Content-Type", 'multipart/mixed; boundary="a=b"']] as const;
  assert.equal(decodeGenerated({ status: 200, headers, body: utf8(body) }).key.form, "pkcs8");
});

const refused: Readonly<Record<string, readonly [code: string, response: HttpResponse]>> = {
  "no type": ["response-media-type", { ...answer([key, certificates]), headers: [] }],
  "another type": ["response-media-type", answer([key, certificates], "application/pkcs7-mime")],
  "no boundary": ["response-media-type", answer([key, certificates], "multipart/mixed")],
  "another multipart type": ["response-media-type", answer([key, certificates], "multipart/alternative; boundary=b")],
  "no key": ["response-malformed", answer([certificates])],
  "no certificate": ["response-malformed", answer([key])],
  "two keys": ["response-malformed", answer([key, key, certificates])],
  "a key in either form": ["response-malformed", answer([key, enveloped, certificates])],
  "two messages with certificates": ["response-malformed", answer([key, certificates, certificates])],
  "a key that is no base64": ["response-malformed", answer([key.replace(/\r\n\r\n.*/, "\r\n\r\n{}"), certificates])],
  "a key in PEM": [
    "response-malformed",
    answer([key.replace(/\r\n\r\n/, "\r\n\r\n-----BEGIN PRIVATE KEY-----\r\n"), certificates]),
  ],
  "certificates that are none": ["response-malformed", answer([key, certificates.replace(certsOnly, "AAAA")])],
  "a type that occurs twice": [
    "response-malformed",
    answer([`Content-Type: application/pkcs8\r\n${key}`, certificates]),
  ],
  "a CMC answer": ["response-malformed", answer([key, certificates.replace("certs-only", "CMC-response")])],
};
for (const [name, [code, response]] of Object.entries(refused))
  test(`fail/generated: ${name}`, () => {
    assert.throws(() => decodeGenerated(response), { name: "EstFailed", code });
  });
