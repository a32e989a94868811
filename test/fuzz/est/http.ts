import assert from "node:assert/strict";
import { equal, utf8, view } from "../../../src/core/bytes.ts";
import { privateKeyToDer } from "../../../src/crypto/keys.ts";
import { parseCertificate } from "../../../src/pki/certificate.ts";
import { decodeCertsOnly } from "../../../src/pki/cms.ts";
import { realm } from "../../../src/protocols/est/constants.ts";
import { EstFailed, EstRefused } from "../../../src/protocols/est/errors.ts";
import { now } from "../../../src/protocols/est/fixtures.test-support.ts";
import { decodeRequest, decodeResponse, encodeReply, encodeRequest } from "../../../src/protocols/est/http.ts";
import {
  basicChallenge,
  decodeChallenges,
  digestChallenge,
  encodeDigest,
} from "../../../src/protocols/est/http-authorization.ts";
import { decodeGenerated } from "../../../src/protocols/est/http-generated.ts";
import { decodeMultipart } from "../../../src/protocols/est/http-multipart.ts";
import type { Headers, HttpRequest, HttpResponse } from "../../../src/transport/http/message.ts";
import { readsOrRefuses, type Target } from "../harness/target.ts";
import { certificates, keyOf, messages, requests } from "../pki/samples.ts";

/** EST's binding to HTTP: whole messages as bytes, so that heads are damaged as well as bodies. */

/** A request as the transport would hand it on, from its fields and body on the wire. */
export function requestOf(input: Uint8Array): HttpRequest {
  const { lines, body } = parted(input);
  return { method: "POST", path: "/", headers: fieldsOf(lines), body };
}

/** A response, from its status line, fields and body on the wire. */
export function responseOf(input: Uint8Array): HttpResponse {
  const { lines, body } = parted(input);
  const [first = "", ...rest] = lines;
  // What is no status the transport has refused already.
  const status = /^HTTP\/1\.1 ([1-5]\d\d) /.exec(first)?.[1] ?? "500";
  return { status: Number(status), headers: fieldsOf(rest), body };
}

export function bytesOfRequest({ headers, body }: HttpRequest): Uint8Array {
  return wire([], headers, body);
}

export function bytesOfResponse({ status, headers, body }: HttpResponse): Uint8Array {
  return wire([`HTTP/1.1 ${status} Status`], headers, body);
}

/** Requests and responses that are decoded by themselves, without a server or a device. */
export function httpTargets(): readonly Target[] {
  const credentials = { user: "installer", password: "correct horse: ü" };
  const challenge = { kind: "digest", realm, nonce: "n0nce", algorithm: "SHA-256", stale: false } as const;
  const csr = requests["Ed25519"] as Uint8Array;
  const field = /^Authorization: (.*)\r$/m.exec(
    view(bytesOfRequest(encodeRequest("simpleenroll", undefined, csr, credentials))).toString("latin1"),
  )?.[1];
  const all = [certificates["Ed25519"] as Uint8Array, ...decodeCertsOnly(messages["RFC 7030 A.1"] as Uint8Array)];
  const options = { form: "auto", userAgent: undefined, run: "r1" } as const;
  const key = { form: "pkcs8", bytes: privateKeyToDer(keyOf("own")) } as const;
  const generated = { kind: "generated", certificate: certificates["Ed25519"] as Uint8Array, key } as const;
  return [
    {
      name: "decodeRequest",
      weight: 10,
      sample: bytesOfRequest(encodeRequest("simpleenroll", undefined, csr, credentials)),
      answer: (input) => isDecoded(requestOf(input)),
    },
    {
      name: "Basic credentials",
      weight: 10,
      sample: utf8(field ?? ""),
      answer(input) {
        const request = encodeRequest("simpleenroll", undefined, csr, undefined);
        const authorization = ["Authorization", view(input).toString("latin1")] as const;
        return isDecoded({ ...request, headers: [...request.headers, authorization] });
      },
    },
    {
      name: "Digest credentials",
      weight: 10,
      sample: utf8(
        encodeDigest(credentials, challenge, encodeRequest("simpleenroll", undefined, csr, undefined), 1, "c"),
      ),
      answer(input) {
        const request = encodeRequest("simpleenroll", undefined, csr, undefined);
        const authorization = ["Authorization", view(input).toString("latin1")] as const;
        return isDecoded({ ...request, headers: [...request.headers, authorization] });
      },
    },
    {
      name: "decodeChallenges",
      weight: 10,
      sample: utf8(
        [digestChallenge("SHA-256", "n0nce", true), digestChallenge("MD5", "n1", false), basicChallenge].join(", "),
      ),
      // It reads what it understands and passes over the rest: nothing is refused.
      answer: (input) => decodeChallenges([view(input).toString("latin1")]).challenges.length > 0,
    },
    {
      name: "decodeResponse, certificates",
      weight: 10,
      sample: bytesOfResponse(encodeReply("cacerts", { kind: "certificates", certificates: all }, options)),
      answer: (input) => readsOrRefuses([EstFailed], () => checkResponse("cacerts", responseOf(input))),
    },
    {
      name: "decodeGenerated",
      weight: 10,
      sample: bytesOfResponse(encodeReply("serverkeygen", generated, options)),
      answer: (input) => readsOrRefuses([EstFailed], () => void decodeGenerated(responseOf(input))),
    },
    {
      name: "decodeMultipart",
      weight: 10,
      sample: encodeReply("serverkeygen", generated, options).body,
      answer: (input) => readsOrRefuses([EstFailed], () => checkMultipart(input)),
    },
    {
      name: "decodeResponse, pending",
      weight: 10,
      sample: bytesOfResponse(encodeReply("simpleenroll", { kind: "pending", retryAfter: 10 }, options)),
      answer: (input) => readsOrRefuses([EstFailed], () => checkResponse("simpleenroll", responseOf(input))),
    },
  ];
}

/** Every body is a part of the message, and bounded with it. */
function checkMultipart(input: Uint8Array): void {
  for (const { body } of decodeMultipart(input, "hatchery-key-and-certificate"))
    assert.ok(body.length === 0 || view(input).includes(body));
}

function isDecoded(request: HttpRequest): boolean {
  const decoded = decodeRequest("simpleenroll", undefined, request);
  assert.equal(decoded.kind === "malformed" && !(decoded.refusal instanceof EstRefused), false);
  return decoded.kind !== "malformed";
}

function checkResponse(operation: "cacerts" | "simpleenroll", response: HttpResponse): void {
  const decoded = decodeResponse(operation, response, now);
  if (decoded.kind === "pending") assert.ok(decoded.retryAfter >= 1 && decoded.retryAfter <= 3600);
  else for (const { raw } of decoded.certificates) assert.ok(equal(parseCertificate(raw).raw, raw));
}

function parted(input: Uint8Array): { readonly lines: readonly string[]; readonly body: Uint8Array } {
  const end = view(input).indexOf("\r\n\r\n");
  const head = end < 0 ? input : input.subarray(0, end);
  return {
    lines: view(head).toString("latin1").split("\r\n"),
    body: end < 0 ? new Uint8Array(0) : input.subarray(end + 4),
  };
}

function fieldsOf(lines: readonly string[]): Headers {
  return lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return colon < 1 ? [] : [[line.slice(0, colon), line.slice(colon + 1).trim()] as const];
  });
}

function wire(first: readonly string[], headers: Headers, body: Uint8Array): Uint8Array {
  const lines = [...first, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}
