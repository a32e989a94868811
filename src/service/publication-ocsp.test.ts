import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, hex } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import type { Certificate } from "../pki/certificate.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { extensionOf } from "../pki/extensions.ts";
import { encodeCertId } from "../pki/ocsp-cert-id.ts";
import { buildOcspRequest } from "../pki/ocsp-request.ts";
import { parseOcspResponse, verifyOcspResponse } from "../pki/ocsp-response.ts";
import { extensionTypes } from "../pki/oids.ts";
import { newGeneration } from "./authority-create.ts";
import { day, hour, house, tenant } from "./publication.test-support.ts";
import { ocspResponder } from "./publication-ocsp.ts";

async function responding() {
  const own = await house();
  const answer = ocspResponder(tenant, own);
  const { issuing: issuer } = own;
  const ask = async (certificate: Pick<Certificate, "serialNumber">, nonce?: Uint8Array) => {
    const { serialNumber } = certificate;
    const question = { issuer, serialNumber, ...(nonce === undefined ? {} : { nonce }) };
    const { response, shared } = await answer(buildOcspRequest(question));
    const parsed = parseOcspResponse(response);
    const status = verifyOcspResponse(parsed, { ...question, at: own.clock.now() });
    return { status, response, shared, parsed };
  };
  const status = async (request: Uint8Array) => parseOcspResponse((await answer(request)).response);
  return { ...own, answer, ask, status };
}

const requestFor = (...certIds: readonly Uint8Array[]) =>
  der.sequence([der.sequence([der.sequence(certIds.map((certId) => der.sequence([certId])))])]);
const nonce = new Uint8Array(32).fill(3);

test("ok/good, revoked at once with its reason, unknown", async () => {
  const { ask, issue, revoke, clock } = await responding();
  const lamp = await issue();
  for (const each of [undefined, nonce]) assert.deepEqual((await ask(lamp, each)).status, { kind: "good" });
  await revoke(lamp, "superseded");
  for (const each of [undefined, nonce])
    assert.deepEqual((await ask(lamp, each)).status, {
      kind: "revoked",
      revocationTime: clock.now(),
      reason: "superseded",
    });
  assert.deepEqual((await ask({ serialNumber: Uint8Array.of(7) })).status, { kind: "unknown" });
});

test("ok/an answer without a nonce is kept for half of its validity, others never", async () => {
  const { ask, issue, clock } = await responding();
  const lamp = await issue();
  const first = await ask(lamp);
  assert.deepEqual(first.shared, { thisUpdate: clock.now(), nextUpdate: clock.now() + hour });
  clock.advance(hour / 2 - 1);
  assert.equal(hex((await ask(lamp)).response), hex(first.response));
  clock.advance(1);
  assert.notEqual(hex((await ask(lamp)).response), hex(first.response));
  const [one, other] = [await ask(lamp, nonce), await ask(lamp, nonce)];
  assert.equal(one.shared, undefined);
  assert.notEqual(hex(one.response), hex(other.response));
  const unknown = { serialNumber: Uint8Array.of(7) };
  assert.notEqual(hex((await ask(unknown)).response), hex((await ask(unknown)).response));
});

test("ok/the CA signs once for many requests, and again before its delegate ends", async () => {
  const { ask, issue, clock, signed } = await responding();
  const lamp = await issue();
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(lamp, nonce)));
  assert.equal(signed.count, 1);
  const [{ parsed }] = answers as [(typeof answers)[number]];
  assert.ok(parsed.kind === "basic");
  const [delegate] = parsed.certs;
  assert.ok(delegate && extensionOf(delegate.extensions, extensionTypes.ocspNoCheck));
  clock.advance(4 * day);
  await Promise.all(Array.from({ length: 50 }, () => ask(lamp, nonce)));
  assert.equal(signed.count, 2);
  // A clock that was set back: the delegate of the future would not be believed.
  clock.advance(-365 * day);
  await ask(lamp, nonce);
  assert.equal(signed.count, 3);
});

test("ok/a CA that cannot sign for now is not needed before its delegate ends", async () => {
  const { ask, issue, clock, signed } = await responding();
  const lamp = await issue();
  await ask(lamp, nonce);
  signed.failure = new Error("the token is gone");
  clock.advance(6 * day);
  assert.deepEqual((await ask(lamp, nonce)).status, { kind: "good" });
  clock.advance(day);
  await assert.rejects(ask(lamp, nonce), signed.failure);
  signed.failure = undefined;
  await ask(lamp, nonce);
  assert.equal(signed.count, 2);
});

test("ok/several certificates of one CA in one message", async () => {
  const { issue, revoke, status, issuing } = await responding();
  const lamps = [await issue(), await issue()];
  await revoke(lamps[1] as Certificate);
  const response = await status(
    requestFor(...lamps.map(({ serialNumber }) => encodeCertId("sha256", issuing, serialNumber))),
  );
  assert.ok(response.kind === "basic");
  assert.deepEqual(
    response.responses.map((single) => single.status.kind),
    ["good", "revoked"],
  );
});

test("ok/a CA of another generation answers for itself", async () => {
  const own = await responding();
  const { issuing, writes } = await newGeneration(tenant, 2, "next", own);
  await own.store.commit(writes);
  own.authority.refresh();
  const issuer = parseCertificate(issuing.certificate);
  const serialNumber = Uint8Array.of(5);
  const { response } = await own.answer(buildOcspRequest({ issuer, serialNumber }));
  const expectation = { issuer, serialNumber, at: own.clock.now() };
  assert.deepEqual(verifyOcspResponse(parseOcspResponse(response), expectation), { kind: "unknown" });
});

test("fail/issuers that are not ours, and two in one message: unauthorized", async () => {
  const { status, issuing, authority, issue } = await responding();
  const { root } = await authority.hierarchy();
  const lamp = await issue();
  const ours = encodeCertId("sha1", issuing, lamp.serialNumber);
  const roots = encodeCertId("sha1", root.certificate, issuing.serialNumber);
  const hashless = der.sequence([
    der.sequence([der.objectIdentifier("2.16.840.1.101.3.4.2.3")]),
    der.octetString(nonce),
    der.octetString(nonce),
    der.integer(1),
  ]);
  for (const request of [requestFor(roots), requestFor(ours, roots), requestFor(hashless)])
    assert.deepEqual(await status(request), { kind: "error", status: "unauthorized" });
});

test("fail/what is no request, and one about too many: malformedRequest", async () => {
  const { status, issuing } = await responding();
  const certId = encodeCertId("sha1", issuing, Uint8Array.of(1));
  for (const request of [new Uint8Array(), requestFor(), requestFor(...new Array<Uint8Array>(17).fill(certId))])
    assert.deepEqual(await status(request), { kind: "error", status: "malformedRequest" });
  assert.equal((await status(requestFor(...new Array<Uint8Array>(16).fill(certId)))).kind, "basic");
});

test("fail/a CA that cannot sign: the error comes out, and the next request tries again", async () => {
  const { answer, issuing, signed, ask } = await responding();
  signed.failure = new Error("the token is gone");
  const request = buildOcspRequest({ issuer: issuing, serialNumber: Uint8Array.of(1) });
  await assert.rejects(answer(request), signed.failure);
  signed.failure = undefined;
  assert.ok(equal((await ask({ serialNumber: Uint8Array.of(1) })).response.subarray(0, 1), Uint8Array.of(0x30)));
});
