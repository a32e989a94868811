import { generateKeyPairSync } from "node:crypto";
import { base64, concat, utf8 } from "../../src/core/bytes.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { encodeBasicConstraints, encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import { mostRequestBytes } from "../../src/protocols/est/constants.ts";
import type { EstRefusal } from "../../src/protocols/est/index.ts";
import {
  type CraftedRequest,
  commonName,
  craftedRequest,
  doubledExtension,
  evenExponentSigner,
  extensionAttribute,
  indefinite,
  newSigner,
  oddSigner,
  passwordAttribute,
  pointSigner,
  sha1Signer,
} from "./crafted.ts";
import { enrolment, message, type RawIdentity } from "./raw-client.ts";
import type { Strangers } from "./strangers.ts";

/** A request that must be refused, sent over a TLS connection of its own. */
export interface Refused {
  readonly status: number;
  /** Reason of the run; undefined when the listener refuses by itself, and no run begins. */
  readonly code?: EstRefusal;
  /** What the text tells the peer. */
  readonly says: RegExp;
  readonly fields?: Readonly<Record<string, string>>;
  readonly send: () => Promise<Uint8Array> | Uint8Array;
  readonly as?: (known: Strangers) => RawIdentity;
}

const good = commonName("GOOD-1");
const san = (text: string) => encodeSubjectAltName([{ kind: "dNSName", text }]);

const malformed = /not a well-formed PKCS #10 request in DER/;
const notBase64 = /not base64 \(RFC 4648 section 4\)/;
const notSigned = /signature does not verify with its own public key/;
const notSupported = /a kind that is not supported here; use a named curve/;

/** Bodies that are no request, or a bad one, by a client that is welcome. */
export const badRequests: Readonly<Record<string, Refused>> = {
  "body that is no base64": ofBody("base64", notBase64, () => "{}"),
  base64url: ofBody("base64", notBase64, () => "MIIB-_8="),
  "base64 without padding": ofBody("base64", notBase64, () => "MIIBAQ"),
  "base64 with trailing bits": ofBody("base64", notBase64, () => "MIIBAR=="),
  "PEM armour": ofBody("pem-armour", /Remove the BEGIN and END lines/, async () =>
    encodePem("CERTIFICATE REQUEST", await craftedRequest({ subject: good })),
  ),
  "empty body": ofBody("body-missing", /no body; send a PKCS #10 request in base64/, () => ""),
  "base64 of no DER": ofBody("csr-malformed", malformed, () => utf8("hello")),
  "octets behind the request": ofBody("csr-malformed", malformed, async () =>
    concat([await craftedRequest({ subject: good }), Uint8Array.of(0)]),
  ),
  "indefinite length": ofBody("csr-malformed", malformed, async () =>
    indefinite(await craftedRequest({ subject: good })),
  ),
  "truncated request": ofBody("csr-malformed", malformed, async () =>
    (await craftedRequest({ subject: good })).subarray(0, -8),
  ),
  "version 1": ofRequest("csr-malformed", malformed, () => ({ version: 1 })),
  "two challengePasswords": ofRequest("csr-malformed", malformed, () => ({
    attributes: [passwordAttribute("a"), passwordAttribute("b")],
  })),
  "two extensionRequests": ofRequest("csr-malformed", malformed, () => ({
    attributes: [extensionAttribute(san("GOOD-1")), extensionAttribute(encodeBasicConstraints({ cA: true }))],
  })),
  "one extension twice": ofRequest("csr-malformed", malformed, () => ({
    attributes: [doubledExtension(san("GOOD-1"))],
  })),
  "changed signature": ofBody("csr-signature", notSigned, async () => {
    const request = await craftedRequest({ subject: good });
    return Uint8Array.from(request).with(-1, (request.at(-1) as number) ^ 1);
  }),
  "signature of another key": ofRequest("csr-signature", notSigned, () => {
    const { sign } = newSigner();
    return { signer: { ...newSigner(), sign } };
  }),
  "signature over SHA-1": ofRequest("csr-signature", /SHA-256/, () => ({ signer: sha1Signer() })),
  "RSA of 1024 bits": ofRequest("key-weak", /RSA of at least 2048 bits/, () => ({
    signer: oddSigner(generateKeyPairSync("rsa", { modulusLength: 1024 })),
  })),
  "RSA with an even exponent": ofRequest("key-weak", /too weak/, () => ({ signer: evenExponentSigner() })),
  "curve by explicit parameters": ofRequest("key-unsupported", notSupported, () => ({
    signer: oddSigner(generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" })),
  })),
  secp256k1: ofRequest("key-unsupported", notSupported, () => ({
    signer: oddSigner(generateKeyPairSync("ec", { namedCurve: "secp256k1" })),
  })),
  "point off the curve": ofRequest("csr-malformed", malformed, () => ({
    signer: pointSigner((point) => Uint8Array.from(point).with(64, (point[64] as number) ^ 1)),
  })),
  "compressed point": ofRequest("key-unsupported", notSupported, () => ({
    signer: pointSigner((point) => concat([Uint8Array.of(2 + ((point[64] as number) & 1)), point.subarray(1, 33)])),
  })),
};

const path = "POST /.well-known/est/simpleenroll";
const type = "Content-Type: application/pkcs10";
const onlyOnce = /may occur only once occurs more than once/;
const notHttp = /not valid HTTP\/1\.1/;
const tooLarge = /larger than this path accepts/;
const nothingThere = /nothing at this path; check the path and its label/;

/** A good request in bad HTTP, or for what does not exist. */
export const badHttp: Readonly<Record<string, Refused>> = {
  "wrong Content-Type": ofHttp(415, "media-type", /Content-Type: application\/pkcs10/, (body) =>
    message(path, ["Content-Type: application/pkcs7-mime", lengthOf(body)], body),
  ),
  "no Content-Type": ofHttp(415, "media-type", /Content-Type: application\/pkcs10/, (body) =>
    message(path, [lengthOf(body)], body),
  ),
  "Content-Type twice": ofHttp(400, undefined, onlyOnce, (body) => message(path, [type, type, lengthOf(body)], body)),
  "Authorization twice": ofHttp(400, undefined, onlyOnce, (body) =>
    enrolment(body, ["Authorization: Basic YTpi", "Authorization: Basic YTpi"]),
  ),
  "Content-Transfer-Encoding twice": ofHttp(400, "header-doubled", /occurs more than once/, (body) =>
    enrolment(body, ["Content-Transfer-Encoding: base64", "Content-Transfer-Encoding: base64"]),
  ),
  "Content-Length twice": ofHttp(400, undefined, notHttp, (body) => enrolment(body, [lengthOf(body)])),
  "Content-Length with Transfer-Encoding": ofHttp(400, undefined, notHttp, (body) =>
    enrolment(body, ["Transfer-Encoding: chunked"]),
  ),
  "body over the limit by its length": ofHttp(413, undefined, tooLarge, () =>
    enrolment("A".repeat(mostRequestBytes + 1)),
  ),
  "body over the limit by its chunks": ofHttp(413, undefined, tooLarge, () =>
    message(path, [type, "Transfer-Encoding: chunked"], `${`1000\r\n${"A".repeat(4096)}\r\n`.repeat(17)}0\r\n\r\n`),
  ),
  "wrong method": {
    ...ofHttp(405, undefined, /does not take this method; see the Allow header/, () =>
      message("GET /.well-known/est/simpleenroll"),
    ),
    fields: { allow: "POST" },
  },
  "wrong method on cacerts": {
    ...ofHttp(405, undefined, /does not take this method/, (body) => enrolment(body, [], "/.well-known/est/cacerts")),
    fields: { allow: "GET, HEAD" },
  },
  "unknown path": ofHttp(404, undefined, nothingThere, (body) => enrolment(body, [], "/.well-known/est")),
  "operation that is not offered": ofHttp(404, undefined, nothingThere, (body) =>
    enrolment(body, [], "/.well-known/est/pal"),
  ),
  "label that is an operation": ofHttp(404, "label-unknown", /no such label/, (body) =>
    enrolment(body, [], "/.well-known/est/cacerts/simpleenroll"),
  ),
  "label that climbs": ofHttp(404, "label-unknown", /no such label/, (body) =>
    enrolment(body, [], "/.well-known/est/..%2F..%2Fdata/simpleenroll"),
  ),
  "label of 65 characters": ofHttp(404, "label-unknown", /no such label/, (body) =>
    enrolment(body, [], `/.well-known/est/${"a".repeat(65)}/simpleenroll`),
  ),
};

function ofBody(
  code: EstRefusal,
  says: RegExp,
  body: () => Promise<Uint8Array | string> | Uint8Array | string,
): Refused {
  return { status: 400, code, says, send: async () => enrolment(await body()), as: ({ device }) => device };
}

function ofRequest(code: EstRefusal, says: RegExp, content: () => Partial<CraftedRequest>): Refused {
  return ofBody(code, says, () => craftedRequest({ subject: good, ...content() }));
}

function ofHttp(
  status: number,
  code: EstRefusal | undefined,
  says: RegExp,
  send: (body: string) => Uint8Array,
): Refused {
  return {
    status,
    ...(code === undefined ? {} : { code }),
    says,
    send: async () => send(base64(await craftedRequest({ subject: good }))),
    as: ({ device }) => device,
  };
}

function lengthOf(body: string): string {
  return `Content-Length: ${body.length}`;
}
