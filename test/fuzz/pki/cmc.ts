import assert from "node:assert/strict";
import { utf8, view } from "../../../src/core/bytes.ts";
import * as der from "../../../src/encoding/der-writer.ts";
import { changeSubjectNameOf, encodeChangeSubjectName } from "../../../src/pki/change-subject-name.ts";
import { decodePkiData, decodePkiResponse, encodePkiData, encodePkiResponse } from "../../../src/pki/cmc.ts";
import { transactionControls, transactionOf } from "../../../src/pki/cmc-control.ts";
import { CmcError } from "../../../src/pki/cmc-errors.ts";
import { statusInfosOf, statusInfoV2 } from "../../../src/pki/cmc-status.ts";
import { parseCertificationRequest } from "../../../src/pki/csr.ts";
import { PkiError } from "../../../src/pki/errors.ts";
import { encodeName } from "../../../src/pki/name.ts";
import { attributeTypes, requestAttributes } from "../../../src/pki/oids.ts";
import { subjectAltNameOf } from "../../../src/pki/standard-extensions.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { readsOrRefuses, type Target, targetsOf } from "../harness/target.ts";
import { requests } from "./samples.ts";

/** What is in messages of CMC, and the attribute of requests that it defines. */
export function cmcTargets(): readonly Target[] {
  const transaction = {
    transactionId: Uint8Array.of(0x12, 0x34),
    senderNonce: new Uint8Array(16).fill(5),
    dataReturn: utf8("mine"),
  };
  const controls = transactionControls(transaction);
  const request = requests["Ed25519"] as Uint8Array;
  const responses = {
    success: encodePkiResponse([statusInfoV2({ status: "success", bodyList: [1, 2] }), ...controls]),
    failure: encodePkiResponse([
      statusInfoV2({ status: "failed", bodyList: [0], statusString: "no", failInfo: "popFailed" }),
    ]),
    pending: encodePkiResponse([
      statusInfoV2({ status: "pending", bodyList: [1], pendInfo: { token: utf8("run"), time: now } }),
    ]),
  };
  const subject = encodeName([{ type: attributeTypes.commonName, value: "lamp-2" }]);
  const names = {
    subject: encodeChangeSubjectName(subject, []),
    both: encodeChangeSubjectName(subject, [{ kind: "dNSName", text: "lamp-2" }]),
  };
  return [
    ...targetsOf("PKIData", { "two requests": encodePkiData(controls, [request, request]) }, readPkiData, "der"),
    ...targetsOf("PKIResponse", responses, readPkiResponse, "der"),
    ...targetsOf("changeSubjectName", names, readChange, "der"),
  ];
}

function readPkiData(input: Uint8Array): boolean {
  return readsOrRefuses([CmcError], () => {
    const { requests, controls } = decodePkiData(input);
    const parts = [...requests, ...controls].map(({ bodyPartID }) => bodyPartID);
    assert.equal(new Set(parts).size, parts.length, "two parts with one bodyPartID");
    for (const each of requests) if (each.kind === "tcr") assert.ok(view(input).includes(each.certificationRequest));
    transactionOf(controls);
  });
}

function readPkiResponse(input: Uint8Array): boolean {
  return readsOrRefuses([CmcError], () => {
    const { controls } = decodePkiResponse(input);
    for (const { bodyList } of statusInfosOf(controls)) assert.ok(bodyList.length > 0, "a status about nothing");
    transactionOf(controls);
  });
}

/** The attribute in a request that nobody has signed: it is read without a look at the signature. */
function readChange(input: Uint8Array): boolean {
  return readsOrRefuses([PkiError], () => {
    const attribute = der.sequence([der.objectIdentifier(requestAttributes.changeSubjectName), der.setOf([input])]);
    const key = parseCertificationRequest(requests["Ed25519"] as Uint8Array).subjectPublicKeyInfo;
    const name = encodeName([{ type: attributeTypes.commonName, value: "lamp-1" }]);
    const info = der.sequence([der.integer(0), name, key, der.implicit(0, der.setOf([attribute]))]);
    const algorithm = der.sequence([der.objectIdentifier("1.3.101.112")]);
    const request = parseCertificationRequest(der.sequence([info, algorithm, der.bitString(new Uint8Array(64))]));
    const change = changeSubjectNameOf(request);
    assert.ok(change?.subject !== undefined || change?.subjectAlt !== undefined, "a change to nothing");
    if (change.subjectAlt !== undefined) assert.ok((subjectAltNameOf([change.subjectAlt]) ?? []).length > 0);
  });
}
