import assert from "node:assert/strict";
import { test } from "node:test";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { equal, hex } from "../../src/core/bytes.ts";
import { decodePkiData, encodePkiData, encodePkiResponse } from "../../src/pki/cmc.ts";
import { transactionControls } from "../../src/pki/cmc-control.ts";
import { statusInfoV2 } from "../../src/pki/cmc-status.ts";
import { issuerAndSerialNumberOf } from "../../src/pki/cms-identifier.ts";
import { buildSignedData } from "../../src/pki/cms-signed-data-build.ts";
import { buildCertificationRequest } from "../../src/pki/csr.ts";
import { encodeName } from "../../src/pki/name.ts";
import { attributeTypes, cmcControls, contentTypes } from "../../src/pki/oids.ts";
import { bufferOf, schemaOf } from "./engine.ts";
import { keys, selfSigned } from "./material.ts";

// PKI.js and asn1js as independent readers and writers of what CMC is made of. They know no CMC itself: its ASN.1 (RFC 5272 A) is
// written out here.

const [key] = keys.filter(({ kind }) => kind === "P-256");
assert.ok(key !== undefined);
const subject = encodeName([{ type: attributeTypes.commonName, value: "lamp-1" }]);
const request = await buildCertificationRequest({ subject, signer: key.signer });
const senderNonce = new Uint8Array(16).fill(7);

test("ok/PKIData of ours is read by asn1js, and the request in it by PKI.js", () => {
  const bytes = encodePkiData(transactionControls({ senderNonce }), [request]);
  const { result, offset } = asn1js.fromBER(bufferOf(bytes));
  assert.equal(offset, bytes.length);
  assert.ok(result instanceof asn1js.Sequence);
  const [controls, requests, ...others] = result.valueBlock.value as asn1js.Sequence[];
  const [control] = (controls?.valueBlock.value ?? []) as asn1js.Sequence[];
  const [bodyPartID, type, values] = control?.valueBlock.value ?? [];
  assert.equal((bodyPartID as asn1js.Integer).valueBlock.valueDec, 2);
  assert.equal((type as asn1js.ObjectIdentifier).valueBlock.toString(), cmcControls.senderNonce);
  const [nonce] = (values as asn1js.Set).valueBlock.value;
  assert.equal(hex(new Uint8Array((nonce as asn1js.OctetString).getValue())), hex(senderNonce));
  const [tagged] = (requests?.valueBlock.value ?? []) as asn1js.Constructed[];
  assert.deepEqual([tagged?.idBlock.tagClass, tagged?.idBlock.tagNumber], [3, 0]);
  const [id, inner] = tagged?.valueBlock.value ?? [];
  assert.equal((id as asn1js.Integer).valueBlock.valueDec, 1);
  assert.ok(inner !== undefined);
  const parsed = new pkijs.CertificationRequest({ schema: inner });
  assert.equal(parsed.subject.typesAndValues[0]?.value.valueBlock.value, "lamp-1");
  assert.deepEqual(
    others.map((each) => each.valueBlock.value.length),
    [0, 0],
  );
});

test("ok/PKIData by asn1js is read here", () => {
  const integer = (value: number) => new asn1js.Integer({ value });
  const sequence = (...value: readonly asn1js.BaseBlock[]) => new asn1js.Sequence({ value: [...value] });
  const values = new asn1js.Set({ value: [new asn1js.OctetString({ valueHex: bufferOf(senderNonce) })] });
  const type = new asn1js.ObjectIdentifier({ value: cmcControls.senderNonce });
  const tcr = new asn1js.Constructed({
    idBlock: { tagClass: 3, tagNumber: 0 },
    value: [integer(4_294_967_295), schemaOf(request)],
  });
  const pkiData = sequence(sequence(sequence(integer(128), type, values)), sequence(tcr), sequence(), sequence());
  const { controls, requests } = decodePkiData(new Uint8Array(pkiData.toBER()));
  assert.deepEqual(
    controls.map((each) => [each.bodyPartID, each.type]),
    [[128, cmcControls.senderNonce]],
  );
  const [only] = requests;
  assert.ok(only?.kind === "tcr" && only.bodyPartID === 4_294_967_295 && equal(only.certificationRequest, request));
});

test("ok/a Full PKI Response of ours is verified by PKI.js", async () => {
  const certificate = await selfSigned(key);
  const raw = await buildSignedData({
    eContentType: contentTypes.pkiResponse,
    content: encodePkiResponse([statusInfoV2({ status: "failed", bodyList: [1], failInfo: "popFailed" })]),
    signers: [{ signer: key.signer, sid: issuerAndSerialNumberOf(certificate) }],
    certificates: [certificate.raw],
  });
  const info = new pkijs.ContentInfo({ schema: schemaOf(raw) });
  const read = new pkijs.SignedData({ schema: info.content });
  assert.equal(await read.verify({ signer: 0, checkChain: false }), true);
  assert.equal(read.encapContentInfo.eContentType, contentTypes.pkiResponse);
});
