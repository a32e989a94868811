import { utf8 } from "../../core/bytes.ts";
import {
  fieldValues,
  type Headers,
  type HttpRequest,
  type HttpResponse,
  singleField,
} from "../../transport/http/message.ts";
import {
  errorHeader,
  labelPattern,
  mediaTypes,
  mostRequestBytes,
  mostRetryAfter,
  type Operation,
  operationNames,
  retryAfterOverload,
  runHeader,
  runPattern,
  wellKnown,
} from "./constants.ts";
import { EstFailed, EstRefused, refusals } from "./errors.ts";
import { basicChallenge, decodeAuthorization, encodeBasic } from "./http-authorization.ts";
import { decodeFullCmc, failureIn, failureText, withFullResponse } from "./http-fullcmc.ts";
import { encodeGenerated } from "./http-generated.ts";
import { mediaTypeOf } from "./http-media-type.ts";
import {
  type BasicCredentials,
  decodeCertificates,
  decodeRequestBody,
  type EstReply,
  type EstRequest,
  type EstResponse,
  encodeAttributes,
  encodeCertificates,
  encodeRequestBody,
} from "./messages.ts";

/** A row of the server's routes: where an operation lives and how many bytes it takes. */
export interface EstRoute {
  readonly operation: Operation;
  readonly method: "GET" | "POST";
  /** RFC 7030 3.2.2: both the plain and the labelled path. */
  readonly paths: readonly string[];
  readonly bodyLimit: number;
}

export const routes: readonly EstRoute[] = [
  route("cacerts", "GET", 0),
  route("csrattrs", "GET", 0),
  route("simpleenroll", "POST", mostRequestBytes),
  route("simplereenroll", "POST", mostRequestBytes),
  route("serverkeygen", "POST", mostRequestBytes),
  route("fullcmc", "POST", mostRequestBytes),
];

/** How the base64 of answers is laid out: `auto` follows what the client is known to need. */
export type Base64Form = "auto" | "line" | "wrapped";

/** Decodes a request for `operation`; never throws: what is wrong becomes a `malformed` request. */
export function decodeRequest(operation: Operation, label: string | undefined, request: HttpRequest): EstRequest {
  try {
    // RFC 7030 3.2.2: a label must not be an operation's name.
    if (label !== undefined && (operationNames.has(label) || !labelPattern.test(label))) {
      throw new EstRefused("label-unknown", "the label is not one");
    }
    if (operation === "cacerts" || operation === "csrattrs") return { kind: operation, label };
    refuseDoubled(request.headers, ["content-type", "content-length", "authorization", "content-transfer-encoding"]);
    if (operation === "fullcmc") return decodeFullCmc(label, request);
    requireMediaType(request.headers, mediaTypes.request);
    const csr = decodeRequestBody(operation, request.body);
    const credentials = decodeAuthorization(singleField(request.headers, "authorization"), request);
    return {
      kind: operation,
      label,
      csr,
      bytes: request.body.length,
      ...(credentials === undefined ? {} : { credentials }),
    };
  } catch (error) {
    if (!(error instanceof EstRefused)) throw error;
    const nothing = error.code === "body-missing" && singleField(request.headers, "authorization") === undefined;
    return { kind: "malformed", label, operation, refusal: error, bytes: request.body.length, nothing };
  }
}

/**
 * Encodes an answer. `run` is the id that the peer may quote to the operator; `challenges` are what a 401 offers, the strongest
 * first, and Basic alone unless they are given.
 */
export function encodeReply(
  operation: string,
  reply: EstReply,
  options: {
    readonly form: Base64Form;
    readonly userAgent: string | undefined;
    readonly run: string | undefined;
    readonly challenges?: readonly string[];
  },
): HttpResponse {
  if ("fullResponse" in reply && reply.fullResponse !== undefined) {
    const { fullResponse, ...plain } = reply;
    return withFullResponse(
      encodeReply(operation, plain, options),
      fullResponse,
      formFor(options.form, options.userAgent),
    );
  }
  const runId = reply.kind === "refused" || reply.kind === "csrattrs" ? options.run : (reply.run ?? options.run);
  const run: Headers = runId === undefined ? [] : [[runHeader, runId]];
  switch (reply.kind) {
    case "certificates":
      return {
        status: 200,
        headers: [
          ["Content-Type", operation === "cacerts" ? mediaTypes.certsOnly : mediaTypes.certsOnlyWithParameter],
          // RFC 8951 3 ignores the field, some clients still look for it.
          ["Content-Transfer-Encoding", "base64"],
          ...run,
        ],
        body: encodeCertificates(reply.certificates, formFor(options.form, options.userAgent)),
      };
    case "generated":
      return encodeGenerated(reply, formFor(options.form, options.userAgent), run);
    case "csrattrs":
      // RFC 7030 4.5.2: 204 says that nothing is asked for.
      if (reply.elements.length === 0) return { status: 204, headers: run, body: new Uint8Array(0) };
      return {
        status: 200,
        headers: [["Content-Type", mediaTypes.csrattrs], ["Content-Transfer-Encoding", "base64"], ...run],
        body: encodeAttributes(reply.elements, formFor(options.form, options.userAgent)),
      };
    case "pending":
      return text(202, `The request waits for a decision. Repeat it after ${reply.retryAfter} seconds.`, [
        ["Retry-After", String(reply.retryAfter)],
        ...run,
      ]);
    case "refused": {
      const row = refusals[reply.refusal];
      // RFC 9110 11.6.1: one field for each, because some clients read a list of them for one challenge.
      const challenges =
        row.status === 401 ? understood(options.challenges ?? [basicChallenge], options.userAgent) : [];
      const challenge = challenges.map((each) => ["WWW-Authenticate", each] as const);
      const later: Headers = row.status === 503 ? [["Retry-After", String(retryAfterOverload)]] : [];
      // One answer for every 401: the code would tell which credential was wrong. Where TLS ends is no secret.
      const hidden = row.status === 401 && reply.refusal !== "binding-at-proxy";
      const code: Headers = hidden ? [] : [[errorHeader, reply.refusal]];
      const quote = runId === undefined ? "" : ` Run ${runId}.`;
      const from = reply.from === undefined ? "" : ` That is from ${new Date(reply.from).toISOString()} on.`;
      return text(row.status, row.text + from + quote, [...challenge, ...later, ...code, ...run]);
    }
  }
}

/** The device's request for `operation`. */
export function encodeRequest(
  operation: Operation,
  label: string | undefined,
  csr: Uint8Array | undefined,
  credentials: BasicCredentials | undefined,
): HttpRequest {
  const path = label === undefined ? `${wellKnown}/${operation}` : `${wellKnown}/${label}/${operation}`;
  if (csr === undefined) return { method: "GET", path, headers: [], body: new Uint8Array(0) };
  const authorization: Headers = credentials === undefined ? [] : [["Authorization", encodeBasic(credentials)]];
  return {
    method: "POST",
    path,
    headers: [["Content-Type", mediaTypes.request], ["Content-Transfer-Encoding", "base64"], ...authorization],
    body: encodeRequestBody(csr),
  };
}

/** The device's reading of an answer; throws EstFailed with what the server said. */
export function decodeResponse(operation: Operation, response: HttpResponse, now: number): EstResponse {
  // RFC 7030 4.2.3 says 200; foundriesio's server answers an enrolment with 201, whose body means the same (RFC 9110 15.3.2).
  if (response.status === 200 || (response.status === 201 && operation !== "cacerts")) {
    const type = mediaTypeOf(singleField(response.headers, "content-type"));
    if (type.name !== mediaTypes.certsOnly) {
      throw new EstFailed(
        "response-media-type",
        `the server answered ${operation} with ${type.name || "no media type"} instead of ${mediaTypes.certsOnly}`,
      );
    }
    // RFC 7030 4.2.3: a failure may come as pkcs7-mime too, and must not be taken for a certificate.
    const smime = type.parameters.get("smime-type");
    if (smime !== undefined && smime.toLowerCase() !== "certs-only") {
      throw new EstFailed(
        "response-media-type",
        `the server answered ${operation} with smime-type ${smime} instead of certs-only`,
      );
    }
    return { kind: "certificates", certificates: decodeCertificates(response.body) };
  }
  if (response.status === 202 && operation !== "cacerts" && operation !== "csrattrs") {
    return { kind: "pending", retryAfter: retryAfterOf(singleField(response.headers, "retry-after"), now) };
  }
  return refuseAnswer(operation, response, now);
}

/** The run that an answer names, in the form of our ids: another server's words are no id, and are not shown as one. */
export function runIn(headers: Headers): string | undefined {
  const run = singleField(headers, runHeader);
  return run !== undefined && runPattern.test(run) ? run : undefined;
}

/** Throws the EstFailed for an answer that the operation may not have, with what the server said. */
export function refuseAnswer(operation: Operation, response: HttpResponse, now: number): never {
  const failure = failureIn(response);
  const said = failure === undefined ? printable(response.body) : failureText(failure);
  const run = runIn(response.headers);
  const details = { status: response.status, ...(run === undefined ? {} : { run }) };
  if (response.status >= 300 && response.status < 400) {
    throw new EstFailed(
      "redirected",
      `the server answers ${operation} with a redirect (${response.status}), which is not followed`,
      { details },
    );
  }
  if (response.status === 503) {
    const later = singleField(response.headers, "retry-after");
    const retryAfter = later === undefined ? undefined : secondsUntil(later, now);
    throw new EstFailed(
      "server-busy",
      `the server cannot take ${operation} now (503)${said === "" ? "" : `: ${said}`}; try again later`,
      { details: { ...details, ...(retryAfter === undefined ? {} : { retryAfter }) } },
    );
  }
  if (response.status >= 400) {
    const advice =
      singleField(response.headers, errorHeader) === "binding-at-proxy"
        ? "; send no channel binding there (--binding never)"
        : "";
    throw new EstFailed(
      "server-refused",
      `the server refused ${operation} with ${response.status}${said === "" ? "" : `: ${said}`}${advice}`,
      { details },
    );
  }
  throw new EstFailed(
    "status-unexpected",
    `the server answered ${operation} with the unexpected status ${response.status}`,
    { details },
  );
}

/** Seconds to wait: delay-seconds or an HTTP-date (RFC 9110 10.2.3), between 1 and the most that is accepted. */
function retryAfterOf(value: string | undefined, now: number): number {
  if (value === undefined)
    throw new EstFailed(
      "retry-after-missing",
      "the server answered 202 without Retry-After, which RFC 7030 4.2.3 demands",
    );
  const seconds = secondsUntil(value, now);
  if (seconds === undefined)
    throw new EstFailed(
      "retry-after-missing",
      "the server answered 202 with a Retry-After that is neither seconds nor a date",
    );
  return seconds;
}

/** Undefined when it is neither form; a number that is too large for anything is the most. */
function secondsUntil(value: string, now: number): number | undefined {
  const seconds = /^\d+$/.test(value) ? Number(value) : Math.ceil((httpDate(value) - now) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 1), mostRetryAfter);
}

/** RFC 9110 5.6.7, all three forms. Without its check Date.parse takes "-5" for a day in May. */
function httpDate(value: string): number {
  if (!/^[A-Z][a-z]{2,8},? /.test(value)) return Number.NaN;
  // The form of asctime names no zone, and means GMT.
  return Date.parse(value.endsWith(" GMT") ? value : `${value} GMT`);
}

function requireMediaType(headers: Headers, wanted: string): void {
  if (mediaTypeOf(singleField(headers, "content-type")).name !== wanted) {
    throw new EstRefused("media-type", `the content type is not ${wanted}`);
  }
}

function refuseDoubled(headers: Headers, names: readonly string[]): void {
  for (const name of names) {
    if (fieldValues(headers, name).length > 1)
      throw new EstRefused("header-doubled", `the field ${name} occurs more than once`);
  }
}

/** Measured: libest 3.2 gives up at a challenge whose algorithm it does not know, whatever else is offered. */
function understood(challenges: readonly string[], userAgent: string | undefined): readonly string[] {
  return isLibest(userAgent) ? challenges.filter((each) => !/^Digest .*algorithm=SHA/.test(each)) : challenges;
}

/** Measured: strongSwan 5.9 wants one line, libest wants lines of 64 and a final LF (see docs/est.md). */
function formFor(form: Base64Form, userAgent: string | undefined): "line" | "wrapped" {
  if (form !== "auto") return form;
  return isLibest(userAgent) ? "wrapped" : "line";
}

function isLibest(userAgent: string | undefined): boolean {
  return userAgent?.startsWith("libest") === true;
}

function text(status: number, sentence: string, headers: Headers): HttpResponse {
  return {
    status,
    headers: [["Content-Type", mediaTypes.text], ["Cache-Control", "no-store"], ...headers],
    body: utf8(`${sentence}\n`),
  };
}

/** What a server said, for an error message: one line of printable ASCII. */
function printable(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, 300))
    .toString("latin1")
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim();
}

function route(operation: Operation, method: "GET" | "POST", bodyLimit: number): EstRoute {
  return { operation, method, paths: [`${wellKnown}/${operation}`, `${wellKnown}/:label/${operation}`], bodyLimit };
}
