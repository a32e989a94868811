import assert from "node:assert/strict";
import { before, test } from "node:test";
import fc from "fast-check";
import { base64, textOf, utf8 } from "../../core/bytes.ts";
import { encodeCertsOnly } from "../../pki/cms.ts";
import type { Headers } from "../../transport/http/message.ts";
import { singleField } from "../../transport/http/message.ts";
import { type EstRefusal, refusals } from "./errors.ts";
import { commonName, newAuthority, now, request } from "./fixtures.test-support.ts";
import { decodeRequest, decodeResponse, encodeReply, encodeRequest, routes } from "./http.ts";

let csr: Uint8Array;
let certificate: Uint8Array;

before(async () => {
  csr = await request([commonName("SN-1")]);
  certificate = (await newAuthority("CA")).certificate.raw;
});

const type: Headers = [["Content-Type", "application/pkcs10"]];
const post = (body: Uint8Array | string, headers: Headers = type) => ({
  method: "POST",
  path: "/.well-known/est/simpleenroll",
  headers,
  body: typeof body === "string" ? utf8(body) : body,
});
const reply = { form: "auto", userAgent: undefined, run: "r1" } as const;

test("ok/routes: each operation without and with a label", () => {
  assert.deepEqual(
    routes.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`)),
    [
      "GET /.well-known/est/cacerts",
      "GET /.well-known/est/:label/cacerts",
      "GET /.well-known/est/csrattrs",
      "GET /.well-known/est/:label/csrattrs",
      "POST /.well-known/est/simpleenroll",
      "POST /.well-known/est/:label/simpleenroll",
      "POST /.well-known/est/simplereenroll",
      "POST /.well-known/est/:label/simplereenroll",
      "POST /.well-known/est/serverkeygen",
      "POST /.well-known/est/:label/serverkeygen",
      "POST /.well-known/est/fullcmc",
      "POST /.well-known/est/:label/fullcmc",
    ],
  );
});

const acceptedBodies: readonly (readonly [string, (line: string) => string, Headers])[] = [
  ["one line", (line) => line, type],
  ["one line with a line feed", (line) => `${line}\n`, type],
  ["lines of 64", (line) => line.replace(/.{64}/g, "$&\n"), type],
  ["lines of 76 with CR LF, spaces and tabs", (line) => ` ${line.replace(/.{76}/g, "$&\r\n")}\t`, type],
  [
    "a media type with parameters and capitals",
    (line) => line,
    [["content-type", "Application/PKCS10 ; charset=us-ascii"]],
  ],
];

for (const [name, write, headers] of acceptedBodies) {
  test(`ok/request body: ${name}`, () => {
    const decoded = decodeRequest("simpleenroll", undefined, post(write(base64(csr)), headers));
    assert.equal(decoded.kind, "simpleenroll");
    assert.deepEqual(decoded.kind === "simpleenroll" && Buffer.from(decoded.csr.raw), Buffer.from(csr));
  });
}

const basic = (pair: string | Uint8Array) => `Basic ${Buffer.from(pair).toString("base64")}`;
const malformed: readonly (readonly [string, () => ReturnType<typeof post>, EstRefusal])[] = [
  ["empty", () => post(""), "body-missing"],
  [
    "PEM",
    () => post(`-----BEGIN CERTIFICATE REQUEST-----\n${base64(csr)}\n-----END CERTIFICATE REQUEST-----\n`),
    "pem-armour",
  ],
  ["not base64", () => post("{}"), "base64"],
  ["DER without base64", () => post(csr), "base64"],
  ["no DER", () => post(base64(utf8("hello"))), "csr-malformed"],
  ["trailing bytes", () => post(base64(Buffer.concat([csr, Buffer.of(0)]))), "csr-malformed"],
  ["no media type", () => post(base64(csr), []), "media-type"],
  ["another media type", () => post(base64(csr), [["Content-Type", "application/pkcs7-mime"]]), "media-type"],
  ["two media types", () => post(base64(csr), [...type, ...type]), "header-doubled"],
  [
    "two Authorization fields",
    () => post(base64(csr), [...type, ["Authorization", basic("a:b")], ["Authorization", basic("a:b")]]),
    "header-doubled",
  ],
  ["Digest", () => post(base64(csr), [...type, ["Authorization", 'Digest username="a"']]), "credentials-malformed"],
  [
    "Basic that is not base64",
    () => post(base64(csr), [...type, ["Authorization", "Basic YTpi="]]),
    "credentials-malformed",
  ],
  [
    "Basic without a colon",
    () => post(base64(csr), [...type, ["Authorization", basic("ab")]]),
    "credentials-malformed",
  ],
  ["Basic without a user", () => post(base64(csr), [...type, ["Authorization", basic(":b")]]), "credentials-malformed"],
  [
    "Basic that is not UTF-8",
    () => post(base64(csr), [...type, ["Authorization", basic(Uint8Array.of(0x61, 0x3a, 0xff))]]),
    "credentials-malformed",
  ],
];

for (const [name, make, code] of malformed) {
  test(`fail/request: ${name}`, () => {
    const decoded = decodeRequest("simpleenroll", undefined, make());
    assert.equal(decoded.kind === "malformed" ? decoded.refusal.code : decoded.kind, code);
  });
}

for (const label of ["cacerts", "fullcmc", "a/b", "", "x".repeat(65), "ä"]) {
  test(`fail/label "${label.slice(0, 8)}" of ${label.length} characters`, () => {
    const decoded = decodeRequest("cacerts", label, { ...post(""), method: "GET" });
    assert.equal(decoded.kind === "malformed" ? decoded.refusal.code : decoded.kind, "label-unknown");
  });
}

test("ok/Basic credentials: a password may hold colons and UTF-8", () => {
  const decoded = decodeRequest(
    "simpleenroll",
    undefined,
    post(base64(csr), [...type, ["Authorization", basic("lamp:a:ü")]]),
  );
  assert.deepEqual(decoded.kind === "simpleenroll" && decoded.credentials, {
    kind: "basic",
    user: "lamp",
    password: "a:ü",
  });
});

test("ok/the device's own request is one that the server takes", () => {
  const sent = encodeRequest("simpleenroll", "plant-7", csr, { user: "lamp", password: "correct horse" });
  assert.equal(sent.path, "/.well-known/est/plant-7/simpleenroll");
  // Every server seen wants or accepts lines of 64 with a final line feed.
  assert.match(textOf(sent.body), /^([A-Za-z0-9+/=]{64}\n)*[A-Za-z0-9+/=]{1,64}\n$/);
  const decoded = decodeRequest("simpleenroll", "plant-7", sent);
  assert.deepEqual(decoded.kind === "simpleenroll" && decoded.credentials, {
    kind: "basic",
    user: "lamp",
    password: "correct horse",
  });
});

for (const [form, userAgent, wrapped] of [
  ["auto", undefined, false],
  ["auto", "curl/8.5.0", false],
  ["auto", "libest 3.2.0p", true],
  ["line", "libest 3.2.0p", false],
  ["wrapped", undefined, true],
] as const) {
  test(`ok/certificates for ${userAgent ?? "no user agent"}, ${form}: ${wrapped ? "lines of 64" : "one line, no line feed"}`, () => {
    const { status, headers, body } = encodeReply(
      "simpleenroll",
      { kind: "certificates", certificates: [certificate] },
      { form, userAgent, run: "r1" },
    );
    assert.equal(status, 200);
    assert.equal(singleField(headers, "content-type"), "application/pkcs7-mime; smime-type=certs-only");
    assert.equal(singleField(headers, "hatchery-run"), "r1");
    assert.equal(textOf(body).includes("\n"), wrapped);
    assert.deepEqual(Buffer.from(textOf(body), "base64"), Buffer.from(encodeCertsOnly([certificate])));
  });
}

test("ok/a repeated reply names the run that issued the certificate", () => {
  const { headers } = encodeReply(
    "simpleenroll",
    { kind: "certificates", certificates: [certificate], run: "first" },
    reply,
  );
  assert.equal(singleField(headers, "hatchery-run"), "first");
});

test("ok/pending: 202 with Retry-After and a sentence", () => {
  const { status, headers, body } = encodeReply("simpleenroll", { kind: "pending", retryAfter: 7 }, reply);
  assert.equal(status, 202);
  assert.equal(singleField(headers, "retry-after"), "7");
  assert.match(textOf(body), /after 7 seconds/);
});

for (const code of Object.keys(refusals) as EstRefusal[]) {
  test(`ok/refusal ${code}: ${refusals[code].status}, text, and the run to quote`, () => {
    const { status, headers, body } = encodeReply("simpleenroll", { kind: "refused", refusal: code }, reply);
    assert.equal(status, refusals[code].status);
    assert.equal(singleField(headers, "content-type"), "text/plain; charset=utf-8");
    assert.equal(textOf(body), `${refusals[code].text} Run r1.\n`);
    assert.equal(singleField(headers, "www-authenticate") !== undefined, status === 401);
    assert.equal(singleField(headers, "retry-after") !== undefined, status === 503);
    // The code would tell which credential was wrong; where TLS ends is no secret.
    const told = status !== 401 || code === "binding-at-proxy";
    assert.equal(singleField(headers, "hatchery-error"), told ? code : undefined);
  });
}

test("ok/refusal: with the time from which on the request is allowed", () => {
  const refusal = { kind: "refused", refusal: "renewal-too-early", from: Date.UTC(2027, 0, 2) } as const;
  const { body } = encodeReply("simplereenroll", refusal, reply);
  assert.match(textOf(body), /nearer to its end\. That is from 2027-01-02T00:00:00\.000Z on\. Run r1\.\n$/);
});

test("ok/the peer cannot tell one failed authentication from another", () => {
  const codes = [
    "credentials-missing",
    "credentials-malformed",
    "credentials-wrong",
    "certificate-malformed",
    "certificate-unknown",
    "certificate-expired",
    "certificate-not-yet-valid",
  ] as const;
  const answers = codes.map((refusal) =>
    JSON.stringify(encodeReply("simpleenroll", { kind: "refused", refusal }, reply)),
  );
  assert.equal(new Set(answers).size, 1);
});

const certsOnly: Headers = [["Content-Type", "application/pkcs7-mime; smime-type=certs-only"]];
const answers: readonly (readonly [string, number, Headers, () => Uint8Array, string])[] = [
  ["no media type", 200, [], () => utf8(base64(encodeCertsOnly([certificate]))), "response-media-type"],
  ["text", 200, [["Content-Type", "text/plain"]], () => utf8("ok"), "response-media-type"],
  [
    "a CMC failure",
    200,
    [["Content-Type", "application/pkcs7-mime; smime-type=CMC-response"]],
    () => utf8(base64(encodeCertsOnly([certificate]))),
    "response-media-type",
  ],
  ["a raw certificate instead of PKCS #7", 200, certsOnly, () => utf8(base64(certificate)), "response-malformed"],
  ["PEM", 200, certsOnly, () => utf8("-----BEGIN PKCS7-----"), "response-malformed"],
  ["no certificate", 200, certsOnly, () => utf8(base64(encodeCertsOnly([]))), "response-malformed"],
  ["202 without Retry-After", 202, [], () => new Uint8Array(), "retry-after-missing"],
  ["202 with nonsense", 202, [["Retry-After", "soon"]], () => new Uint8Array(), "retry-after-missing"],
  ["a redirect", 302, [["Location", "https://other.example/"]], () => new Uint8Array(), "redirected"],
  ["a refusal", 403, [["Content-Type", "text/plain"]], () => utf8("go away\r\n\u0007"), "server-refused"],
  ["an unexpected status", 204, [], () => new Uint8Array(), "status-unexpected"],
];

for (const [name, status, headers, body, code] of answers) {
  test(`fail/answer: ${name}`, () => {
    assert.throws(() => decodeResponse("simpleenroll", { status, headers, body: body() }, now), {
      name: "EstFailed",
      code,
    });
  });
}

test("fail/answer: a channel binding at a proxy, and what to do", () => {
  const refused = encodeReply("simpleenroll", { kind: "refused", refusal: "binding-at-proxy" }, reply);
  assert.throws(() => decodeResponse("simpleenroll", refused, now), {
    code: "server-refused",
    message: /ended at a proxy.*--binding never/,
  });
});

test("fail/answer: 202 for cacerts", () => {
  assert.throws(
    () => decodeResponse("cacerts", { status: 202, headers: [["Retry-After", "1"]], body: new Uint8Array() }, now),
    { code: "status-unexpected" },
  );
});

for (const [value, seconds] of [
  ["5", 5],
  ["0", 1],
  ["99999", 86_400],
  [new Date(now + 90_000).toUTCString(), 90],
  [new Date(now - 90_000).toUTCString(), 1],
] as const) {
  test(`ok/answer: Retry-After ${value} is ${seconds} s`, () => {
    const answer = decodeResponse(
      "simpleenroll",
      { status: 202, headers: [["Retry-After", value]], body: new Uint8Array() },
      now,
    );
    assert.deepEqual(answer, { kind: "pending", retryAfter: seconds });
  });
}

test("ok/property: no body and no Authorization makes the decoder throw", () => {
  const field = fc.oneof(
    fc.string(),
    fc.uint8Array().map((bytes) => basic(bytes)),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), field, (body, authorization) => {
      const decoded = decodeRequest("simpleenroll", undefined, post(body, [...type, ["Authorization", authorization]]));
      assert.equal(decoded.kind, "malformed");
    }),
    { seed: 1, numRuns: 500 },
  );
});
