import assert from "node:assert/strict";
import { test } from "node:test";
import type { Certificate } from "../../pki/certificate.ts";
import type { Extension } from "../../pki/extensions.ts";
import type { GeneralName } from "../../pki/general-name.ts";
import { extensionTypes, keyPurposes } from "../../pki/oids.ts";
import { encodeExtKeyUsage, encodeSubjectAltName } from "../../pki/standard-extensions.ts";
import { type Expected, requireOwnNames } from "./accept-names.ts";
import { certify, commonName, newAuthority, newKey } from "./fixtures.test-support.ts";

const root = await newAuthority("root");
const dns = (text: string): GeneralName => ({ kind: "dNSName", text });
const names = (...texts: readonly string[]) => [encodeSubjectAltName(texts.map(dns))];
const certified = (name: string, extensions: readonly Extension[] = []) =>
  certify([commonName(name)], newKey().signer, root, { extensions });

function warnings(certificate: Certificate, subject: Certificate): readonly string[] {
  const sentences: string[] = [];
  const expected = { kind: "first", subject: subject.subject.raw } as const;
  requireOwnNames(certificate, expected, (sentence) => sentences.push(sentence));
  return sentences;
}

test("ok/a renewal under the same names, in any order", async () => {
  const old = await certified("lamp", names("a.example", "b.example"));
  requireOwnNames(await certified("lamp", names("b.example", "a.example")), { kind: "renewal", of: old }, undefined);
});

test("fail/a renewal for another device, with other alternative names, more of them, or none", async () => {
  const old = await certified("lamp", names("a.example"));
  for (const renewed of [
    await certified("other", names("a.example")),
    await certified("lamp", names("bank.example")),
    await certified("lamp", names("a.example", "bank.example")),
    await certified("lamp"),
  ])
    assert.throws(() => requireOwnNames(renewed, { kind: "renewal", of: old }, undefined), {
      name: "EstFailed",
      code: "certificate-names-another",
    });
});

test("fail/a certificate that makes the device a CA, first or renewed", async () => {
  const old = await certified("lamp");
  const rogue = await certify([commonName("lamp")], newKey().signer, root, { cA: true });
  for (const expected of [
    { kind: "renewal", of: old },
    { kind: "first", subject: old.subject.raw },
  ] as const)
    assert.throws(() => requireOwnNames(rogue, expected, undefined), { code: "certificate-of-a-ca" });
});

test("ok/a first enrolment warns of another name and of rights, and of nothing else", async () => {
  const asked = await certified("lamp");
  assert.deepEqual(warnings(await certified("lamp", names("a.example")), asked), []);
  assert.match(warnings(await certified("somebody-else"), asked).join(), /for .*somebody-else.*lamp was asked for/);
  const rights = await certified("lamp", [encodeExtKeyUsage([keyPurposes.clientAuth, keyPurposes.cmcRA])]);
  assert.match(warnings(rights, asked).join(), /rights .*id-kp-cmcRA/);
});

test("fail/an extension that cannot be read, first or renewed", async () => {
  const old = await certified("lamp", names("a.example"));
  const damaged = (type: string) => certified("lamp", [{ type, critical: false, value: Uint8Array.of(0x30, 0x80) }]);
  const refuses = (certificate: Certificate, expected: Expected) =>
    assert.throws(() => requireOwnNames(certificate, expected, undefined), {
      name: "EstFailed",
      code: "response-malformed",
    });
  refuses(await damaged(extensionTypes.subjectAltName), { kind: "renewal", of: old });
  refuses(await damaged(extensionTypes.extKeyUsage), { kind: "first", subject: old.subject.raw });
});
