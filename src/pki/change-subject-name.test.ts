import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../core/bytes.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import * as der from "../encoding/der-writer.ts";
import { changeSubjectNameOf, encodeChangeSubjectName } from "./change-subject-name.ts";
import { buildCertificationRequest, parseCertificationRequest } from "./csr.ts";
import { encodeGeneralName, type GeneralName } from "./general-name.ts";
import { encodeName, formatName } from "./name.ts";
import { attributeTypes, requestAttributes } from "./oids.ts";
import { encodeSubjectAltName } from "./standard-extensions.ts";

const signer = signerOf(generateKey("P-256"));
const subject = encodeName([{ type: attributeTypes.commonName, value: "lamp-1" }]);
const next = encodeName([{ type: attributeTypes.commonName, value: "lamp-2" }]);
const alternative: readonly GeneralName[] = [{ kind: "dNSName", text: "lamp-2" }];
const generalNames = der.sequence(alternative.map(encodeGeneralName));

async function requestWith(...values: readonly Uint8Array[]) {
  const attribute = der.sequence([der.objectIdentifier(requestAttributes.changeSubjectName), der.setOf(values)]);
  const info = der.sequence([der.integer(0), subject, signer.publicKey, der.implicit(0, der.setOf([attribute]))]);
  return parseCertificationRequest(der.sequence([info, signer.algorithm, der.bitString(await signer.sign(info))]));
}

test("ok/a request without the attribute asks for no change", async () => {
  const request = parseCertificationRequest(await buildCertificationRequest({ subject, signer }));
  assert.equal(changeSubjectNameOf(request), undefined);
});

test("ok/subject, subjectAlt, or both are read as they were written", async () => {
  const cases = [
    [next, [], "CN=lamp-2", undefined],
    [undefined, alternative, undefined, hex(encodeSubjectAltName(alternative).value)],
    [next, alternative, "CN=lamp-2", hex(encodeSubjectAltName(alternative).value)],
  ] as const;
  for (const [name, names, text, value] of cases) {
    const read = changeSubjectNameOf(await requestWith(encodeChangeSubjectName(name, names)));
    assert.equal(read?.subject && formatName(read.subject), text);
    assert.equal(read?.subjectAlt && hex(read.subjectAlt.value), value);
  }
});

test("ok/subjectAlt without a tag, as RFC 6402 printed it before erratum 3943", async () => {
  const alone = changeSubjectNameOf(await requestWith(der.sequence([generalNames])));
  assert.deepEqual([alone?.subject, hex(alone?.subjectAlt?.value ?? new Uint8Array())], [undefined, hex(generalNames)]);
  const both = changeSubjectNameOf(await requestWith(der.sequence([next, generalNames])));
  assert.equal(both?.subject && formatName(both.subject), "CN=lamp-2");
  assert.equal(hex(both?.subjectAlt?.value ?? new Uint8Array()), hex(generalNames));
});

test("fail/an attribute that names nothing, or too much", async () => {
  const cases: Readonly<Record<string, readonly Uint8Array[]>> = {
    "no value": [],
    "two values": [encodeChangeSubjectName(next, []), encodeChangeSubjectName(next, alternative)],
    "no names": [der.sequence([])],
    "no SEQUENCE": [der.nullValue()],
    "two subjects": [der.sequence([next, next])],
    "no GeneralName": [der.sequence([next, der.implicit(1, der.sequence([]))])],
    "something behind it": [der.sequence([next, generalNames, der.nullValue()])],
    "names the wrong way round": [der.sequence([generalNames, next])],
  };
  for (const [name, values] of Object.entries(cases)) {
    const request = await requestWith(...values);
    assert.throws(() => changeSubjectNameOf(request), { name: "PkiError", code: "malformed-request" }, name);
  }
});

test("fail/a name that has no encoding", () => {
  assert.throws(() => encodeChangeSubjectName(undefined, [{ kind: "dNSName", text: "grün" }]), { code: "unencodable" });
});
