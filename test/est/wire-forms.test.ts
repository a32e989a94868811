import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { base64, hex, utf8 } from "../../src/core/bytes.ts";
import * as der from "../../src/encoding/der-writer.ts";
import { encodeCertsOnly } from "../../src/pki/cms.ts";
import { decodeResponse, encodeRequest } from "../../src/protocols/est/http.ts";
import type { Headers } from "../../src/transport/http/message.ts";
import { commonName, craftedRequest } from "./crafted.ts";
import { ask, basic, certificateIn, dial, enrolment, message } from "./raw-client.ts";
import { type RecordedClient, recordedAnswers, recordedClients } from "./recorded.ts";
import { startService, type TestService } from "./service.ts";

/** What real peers put onto the wire, taken by our server and by our device, and what either must not take. */

let service: TestService;
const password = "correct horse battery";

before(async () => {
  service = await startService();
  await service.call("PUT", "/est-users/installer", { password, devices: "wire-*" });
});

after(() => service.close());

async function sentBy({ fields, layout, chunked }: RecordedClient, name: string): Promise<Uint8Array> {
  const body = layout(base64(await craftedRequest({ subject: commonName(name) })));
  const framed = chunked === true ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body;
  const framing = chunked === true ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
  return message("POST /.well-known/est/simpleenroll", [...fields, framing, basic("installer", password)], framed);
}

for (const [at, recorded] of recordedClients.entries()) {
  test(`ok/the request of ${recorded.client}, answered as it needs it`, async () => {
    const answer = await ask(service, await sentBy(recorded, `wire-${at}`));
    certificateIn(answer);
    assert.match(answer.text, layouts[recorded.answer]);
    assert.equal(answer.field("content-length"), String(answer.text.length));
    assert.equal(answer.field("transfer-encoding"), undefined);
  });

  test(`ok/cacerts as ${recorded.client} needs it`, async () => {
    const agent = recorded.fields.filter((field) => field.startsWith("User-Agent"));
    const answer = await ask(service, message("GET /.well-known/est/cacerts", agent));
    assert.match(answer.text, layouts[recorded.answer]);
    assert.equal(answer.field("content-type"), "application/pkcs7-mime");
  });
}

test("ok/the whole header of an answer is in the first 1024 octets that are sent", async () => {
  // strongSwan reads no more than that before it looks for the end of the header.
  const socket = await dial(service);
  socket.write(await sentBy(recordedClients[0] as RecordedClient, "wire-header"));
  const [first] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  const end = first.indexOf("\r\n\r\n");
  assert.ok(end > 0 && end + 4 <= 1024, `the header ends at octet ${end}`);
});

test("ok/a client that shows nothing and sends nothing is challenged, fail/one that shows something", async () => {
  // curl --digest leaves the body out of the request that it expects to be refused.
  const empty = (fields: readonly string[]) => ask(service, enrolment("", fields));
  const challenged = await empty([]);
  assert.equal(challenged.status, 401);
  assert.match(challenged.field("www-authenticate") ?? "", /Basic realm="est"/);
  const told = await empty([basic("installer", password)]);
  assert.deepEqual([told.status, told.field("hatchery-error")], [400, "body-missing"]);
});

test("ok/libest is offered no algorithm of Digest at which it gives up, others are", async () => {
  await service.call("PUT", "/est-users/modern", { password, devices: "wire-*", digest: "sha-256" });
  await service.call("PUT", "/est-users/old", { password, devices: "wire-*", digest: "md5" });
  // What is offered follows a new user within a second; a restart shows it at once.
  await service.restart();
  const offered = async (fields: readonly string[]) =>
    (await ask(service, enrolment("", fields))).field("www-authenticate")?.match(/SHA-256|MD5|Basic/g);
  assert.deepEqual(await offered([]), ["SHA-256", "MD5", "Basic"]);
  assert.deepEqual(await offered(["User-Agent: libest 3.2.0p"]), ["MD5", "Basic"]);
});

/** Bodies of a request as no recorded client lays them out. */
const otherLayouts: Readonly<Record<string, (line: string) => string>> = {
  "lines of 64 without a final line feed": (line) => line.replace(/.{64}(?!$)/g, "$&\n"),
  "a line feed in front": (line) => `\n${line}`,
  "blanks and tabs between": (line) => line.replace(/.{10}/g, "$& \t"),
  "a line for each character": (line) => line.replace(/./g, "$&\r\n"),
};

for (const [name, layout] of Object.entries(otherLayouts)) {
  test(`ok/base64 in ${name}`, async () => {
    const body = layout(base64(await craftedRequest({ subject: commonName("wire-layout") })));
    certificateIn(await ask(service, enrolment(body, [basic("installer", password)])));
  });
}

/** What stands in Content-Transfer-Encoding is ignored (RFC 8951 3): the body is base64 under all of them. */
for (const encoding of ["base64", "BASE64", "binary", "8bit", ""]) {
  test(`ok/Content-Transfer-Encoding: "${encoding}"`, async () => {
    const request = await craftedRequest({ subject: commonName("wire-encoding") });
    const fields = [`Content-Transfer-Encoding: ${encoding}`, basic("installer", password)];
    certificateIn(await ask(service, enrolment(request, fields)));
  });
}

test("fail/DER without base64, although Content-Transfer-Encoding says binary", async () => {
  const request = await craftedRequest({ subject: commonName("wire-binary") });
  const type = ["Content-Type: application/pkcs10", `Content-Length: ${request.length}`];
  const fields = [...type, "Content-Transfer-Encoding: binary", basic("installer", password)];
  const answer = await ask(service, message("POST /.well-known/est/simpleenroll", fields, request));
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [400, "base64"]);
  assert.match(answer.text, /not base64 \(RFC 4648 section 4\)/);
});

test("ok/the device's own request in the one layout that every server takes", async () => {
  const csr = await craftedRequest({ subject: commonName("wire-own") });
  const { headers, body } = encodeRequest("simpleenroll", undefined, csr, undefined);
  assert.match(Buffer.from(body).toString("latin1"), layouts.wrapped);
  // GlobalSign's server refuses an enrolment without the field, which RFC 8951 3 declares void.
  assert.deepEqual(
    headers.filter(([name]) => name === "Content-Transfer-Encoding"),
    [["Content-Transfer-Encoding", "base64"]],
  );
});

const certificateOf = (headers: Headers, text: string, status = 200) => {
  const answer = decodeResponse("simpleenroll", { status, headers, body: utf8(text) }, 0);
  assert.ok(answer.kind === "certificates");
  return answer.certificates.map(({ raw }) => hex(raw));
};

const certsOnly: Headers = [["Content-Type", "application/pkcs7-mime; smime-type=certs-only"]];
const [{ body: recordedBody }] = recordedAnswers as [(typeof recordedAnswers)[number]];
const recordedCertificate = () => certificateOf(certsOnly, recordedBody);

for (const { server, headers, body } of recordedAnswers) {
  test(`ok/the answer of ${server}`, () => {
    const answer = decodeResponse("cacerts", { status: 200, headers, body: utf8(body) }, 0);
    assert.ok(answer.kind === "certificates");
    assert.deepEqual(
      answer.certificates.map(({ raw }) => hex(raw)),
      recordedCertificate(),
    );
  });
}

/** Header fields under which a certs-only body is one. */
const acceptedTypes: Readonly<Record<string, string>> = {
  "as RFC 7030 4.2.3 writes it": "application/pkcs7-mime; smime-type=certs-only",
  "without smime-type": "application/pkcs7-mime",
  "with a space before the semicolon": "application/pkcs7-mime ; smime-type=certs-only",
  "in other cases": "Application/PKCS7-MIME; SMIME-Type=Certs-Only",
  "with a quoted value": 'application/pkcs7-mime;smime-type="certs-only"',
  "with more parameters": "application/pkcs7-mime; name=smime.p7c; smime-type=certs-only",
};

for (const [name, type] of Object.entries(acceptedTypes)) {
  test(`ok/media type ${name}`, () => {
    assert.deepEqual(certificateOf([["Content-Type", type]], recordedBody), recordedCertificate());
  });
}

for (const type of [
  "application/pkcs7-mime; smime-type=CMC-response",
  "application/pkcs7-mime; smime-type=server-generated-key",
  "application/x-pkcs7-mime",
  "application/pkix-cert",
  "text/html",
]) {
  test(`fail/media type ${type}`, () => {
    assert.throws(() => certificateOf([["Content-Type", type]], recordedBody), {
      name: "EstFailed",
      code: "response-media-type",
    });
  });
}

test("ok/the 201 with which foundriesio's server answers an enrolment, fail/cacerts with it", () => {
  assert.deepEqual(
    certificateOf([["Content-Type", "application/pkcs7-mime"]], recordedBody, 201),
    recordedCertificate(),
  );
  assert.throws(() => decodeResponse("cacerts", { status: 201, headers: certsOnly, body: utf8(recordedBody) }, 0), {
    code: "status-unexpected",
  });
});

test("ok/an answer in the indefinite lengths of BER", () => {
  const certificate = Buffer.from(recordedCertificate()[0] as string, "hex");
  const open = (tag: number, ...parts: readonly Uint8Array[]) => Buffer.concat([Buffer.of(tag, 0x80), ...parts, ends]);
  const signedData = open(
    0x30,
    der.integer(1),
    der.setOf([]),
    open(0x30, der.objectIdentifier("1.2.840.113549.1.7.1")),
    open(0xa0, certificate),
    der.setOf([]),
  );
  const body = base64(open(0x30, der.objectIdentifier("1.2.840.113549.1.7.2"), open(0xa0, signedData)));
  assert.deepEqual(certificateOf(certsOnly, body), recordedCertificate());
});

test("fail/an answer with octets behind the message, with PEM armour, cut", () => {
  const message = encodeCertsOnly([Buffer.from(recordedCertificate()[0] as string, "hex")]);
  const bodies = [
    base64(Buffer.concat([message, Buffer.of(0)])),
    `-----BEGIN PKCS7-----\n${recordedBody}-----END PKCS7-----\n`,
    base64(message.subarray(0, -4)),
  ];
  for (const body of bodies)
    assert.throws(() => certificateOf(certsOnly, body), { name: "EstFailed", code: "response-malformed" });
});

const layouts: Readonly<Record<RecordedClient["answer"], RegExp>> = {
  line: /^[A-Za-z0-9+/]+={0,2}$/,
  wrapped: /^(?:[A-Za-z0-9+/=]{64}\n)*[A-Za-z0-9+/=]{1,64}\n$/,
};
const ends = Buffer.of(0, 0);
