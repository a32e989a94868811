import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, utf8 } from "../../core/bytes.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { encodeWireBase64 } from "../../encoding/base64.ts";
import { decodePkiData, encodePkiResponse } from "../../pki/cmc.ts";
import { type TransactionControls, transactionControls, transactionOf } from "../../pki/cmc-control.ts";
import { type StatusInfo, statusInfoV2 } from "../../pki/cmc-status.ts";
import { encodeCertsOnly } from "../../pki/cms.ts";
import { issuerAndSerialNumberOf } from "../../pki/cms-identifier.ts";
import { parseSignedData, verifySignedData, verifySignedDataByKey } from "../../pki/cms-signed-data.ts";
import { buildSignedData } from "../../pki/cms-signed-data-build.ts";
import { contentTypes, keyPurposes } from "../../pki/oids.ts";
import { encodeExtKeyUsage, keyIdentifierOf } from "../../pki/standard-extensions.ts";
import type { HttpResponse } from "../../transport/http/message.ts";
import { buildFullRequest, decodeFullResponse } from "./device-cmc.ts";
import {
  certify,
  commonName,
  newAuthority,
  newKey,
  now,
  request,
  type TestAuthority,
} from "./fixtures.test-support.ts";
import { decodeResponse } from "./http.ts";

const root = await newAuthority("root");
const key = newKey();
const certificate = await certify([commonName("lamp-1")], key.signer, root);
const sent = { transactionId: Uint8Array.of(1, 2), senderNonce: new Uint8Array(16).fill(7) };
const answered: TransactionControls = { transactionId: sent.transactionId, recipientNonce: sent.senderNonce };
const success: StatusInfo = { status: "success", bodyList: [1] };

async function responder(...purposes: readonly string[]): Promise<TestAuthority> {
  const { signer } = newKey();
  const extensions = purposes.length === 0 ? [] : [encodeExtKeyUsage(purposes)];
  return { signer, certificate: await certify([commonName("responder")], signer, root, { extensions }) };
}
const delegate = await responder(keyPurposes.cmcCA);

interface Answer {
  readonly status?: number;
  readonly says?: StatusInfo;
  readonly transaction?: TransactionControls;
  readonly by?: TestAuthority;
  readonly type?: string;
  readonly eContentType?: string;
}

async function answer({
  status = 200,
  says = success,
  transaction = answered,
  by = delegate,
  type = "application/pkcs7-mime; smime-type=CMC-response",
  eContentType = contentTypes.pkiResponse,
}: Answer = {}): Promise<HttpResponse> {
  const message = await buildSignedData({
    eContentType,
    content: encodePkiResponse([statusInfoV2(says), ...transactionControls(transaction)]),
    signers: [{ signer: by.signer, sid: issuerAndSerialNumberOf(by.certificate) }],
    certificates: [by.certificate.raw, certificate.raw],
  });
  const headers = [
    ["Content-Type", type],
    ["Retry-After", "7"],
  ] as const;
  return { status, headers, body: encodeWireBase64(message, "line") };
}

const ca = { authorities: [root.certificate], anchors: [root.certificate] };
const read = (response: HttpResponse) => decodeFullResponse(response, sent, ca, now);

async function refuses(code: string, content: Answer, says = /./): Promise<void> {
  const response = await answer(content);
  assert.throws(() => read(response), { name: "EstFailed", code, message: says });
}

test("ok/a Full PKI Request is signed by the certificate that there is, or by the key that is to be certified", async () => {
  const certificationRequest = await request([commonName("lamp-1")], { signer: key.signer });
  const randomness = seededRandomness("cmc");
  const identity = { chain: [certificate.raw], key };
  const byIdentity = await buildFullRequest(certificationRequest, newKey(), identity, randomness);
  const { content, signers } = verifySignedData(parseSignedData(byIdentity.message));
  assert.ok(signers[0] !== undefined && equal(signers[0].certificate.raw, certificate.raw));
  const { requests, controls } = decodePkiData(content);
  assert.ok(requests[0]?.kind === "tcr" && equal(requests[0].certificationRequest, certificationRequest));
  assert.ok(equal(transactionOf(controls).senderNonce ?? new Uint8Array(), byIdentity.transaction.senderNonce));
  const bySelf = await buildFullRequest(certificationRequest, key, undefined, randomness);
  const keyIdentifier = keyIdentifierOf(key.signer.publicKey);
  const { publicKey } = certificate;
  assert.ok(verifySignedDataByKey(parseSignedData(bySelf.message), { keyIdentifier, publicKey }).length > 0);
  assert.notDeepEqual(bySelf.transaction, byIdentity.transaction, "each message has a nonce of its own");
});

test("ok/a Full PKI Response: certificates, or a request to wait", async () => {
  const granted = read(await answer());
  assert.ok(granted.kind === "certificates" && granted.certificates.some(({ raw }) => equal(raw, certificate.raw)));
  assert.equal(read(await answer({ by: await responder(keyPurposes.cmcRA) })).kind, "certificates");
  assert.equal(read(await answer({ by: root })).kind, "certificates");
  const pendInfo = { token: utf8("run"), time: now };
  const pending = read(await answer({ status: 202, says: { status: "pending", bodyList: [1], pendInfo } }));
  assert.deepEqual(pending, { kind: "pending", retryAfter: 7 });
});

test("ok/a Simple PKI Response", () => {
  const headers = [["Content-Type", "application/pkcs7-mime; smime-type=certs-only"]] as const;
  const body = encodeWireBase64(encodeCertsOnly([certificate.raw]), "line");
  assert.equal(read({ status: 200, headers, body }).kind, "certificates");
});

test("fail/an answer to another request", async () => {
  await refuses("cmc-not-the-answer", { transaction: {} });
  await refuses("cmc-not-the-answer", { transaction: { ...answered, recipientNonce: new Uint8Array(16) } });
  await refuses("cmc-not-the-answer", { transaction: { ...answered, transactionId: Uint8Array.of(3) } });
});

test("fail/an answer that is signed by a device, or by another CA's delegate", async () => {
  await refuses("cmc-not-trusted", { by: await responder() });
  await refuses("cmc-not-trusted", { by: await responder(keyPurposes.clientAuth) });
  await refuses("cmc-not-trusted", { by: await responder(keyPurposes.anyExtendedKeyUsage) });
  const { signer } = newKey();
  const other = await newAuthority("other");
  const extensions = [encodeExtKeyUsage([keyPurposes.cmcCA])];
  await refuses("cmc-not-trusted", {
    by: { signer, certificate: await certify([commonName("responder")], signer, other, { extensions }) },
  });
  await refuses("cmc-not-trusted", { by: other });
});

test("fail/a failure is the server's, whatever the status line says", async () => {
  const says: StatusInfo = { status: "failed", bodyList: [1], failInfo: "popFailed", statusString: "link\u0007it" };
  await refuses("cmc-failed", { status: 401, says }, /with 401, popFailed: link it$/);
  await refuses("cmc-failed", { status: 200, says }, /with 200, popFailed/);
  await refuses("cmc-failed", { status: 202, says }, /with 202, popFailed/);
  await refuses("cmc-failed", { status: 400, says: { status: "noSupport", bodyList: [1] } }, /noSupport$/);
  await refuses("cmc-failed", { status: 200, says: { status: "partial", bodyList: [1] } }, /partial$/);
  await refuses("server-busy", { status: 503, says: { ...says, failInfo: "tryLater" } }, /tryLater/);
  await refuses("status-unexpected", { status: 200, says: { status: "pending", bodyList: [1] } });
});

test("fail/an answer that is no Full PKI Response", async () => {
  await refuses("response-malformed", { eContentType: contentTypes.pkiData });
  await refuses("response-malformed", { says: { ...success, bodyList: [] } });
  await refuses("response-media-type", { type: "text/html" });
  await refuses("response-malformed", { type: "application/pkcs7-mime" });
  const damaged = Buffer.from((await answer()).body)
    .toString("latin1")
    .slice(0, -8);
  const response = { ...(await answer()), body: utf8(damaged) };
  assert.throws(() => read(response), { code: "response-malformed" });
});

test("fail/simpleenroll: a failure in CMC is not taken for a certificate (RFC 7030 4.2.3)", async () => {
  const says: StatusInfo = { status: "failed", bodyList: [1], failInfo: "badAlg", statusString: "weak key" };
  const refused = await answer({ status: 400, says });
  assert.throws(() => decodeResponse("simpleenroll", refused, now), {
    code: "server-refused",
    message: /with 400: badAlg: weak key$/,
  });
  const ok = await answer({ says });
  assert.throws(() => decodeResponse("simpleenroll", ok, now), { code: "response-media-type" });
  const untyped = await answer({ says, type: "application/pkcs7-mime" });
  assert.throws(() => decodeResponse("simpleenroll", untyped, now), { code: "response-malformed" });
});
