import { utf8 } from "../../core/bytes.ts";
import { HatcheryError } from "../../core/errors.ts";
import type { Headers, HttpResponse } from "./message.ts";

/** Why a listener answered a request by itself, or ended a connection without an answer. */
export type RefusalCode = keyof typeof answers | keyof typeof silent;

/** What a listener tells the service about each refusal, for counters and logs. */
export interface RefusalReport {
  readonly code: RefusalCode;
  /** Address and port of the peer. */
  readonly address: string;
  /** The error behind it; only for `handler-failed` a fault of ours. */
  readonly cause?: unknown;
}

/** A request that the listener answers by itself; `fields` go into the answer. */
export class Refusal extends HatcheryError<RefusalCode> {
  override readonly name = "Refusal";
  readonly fields: Headers;

  constructor(code: RefusalCode, options: { readonly fields?: Headers; readonly cause?: unknown } = {}) {
    super(code, sentenceOf(code), options);
    this.fields = options.fields ?? [];
  }
}

/** The answer for `code`; undefined when the peer gets none. */
export function answerTo(code: RefusalCode, fields: Headers = []): HttpResponse | undefined {
  if (!isAnswered(code)) return undefined;
  const [status, sentence] = answers[code];
  return {
    status,
    headers: [["Content-Type", "text/plain; charset=utf-8"], ...fields],
    body: utf8(`${sentence}\n`),
  };
}

function sentenceOf(code: RefusalCode): string {
  return isAnswered(code) ? answers[code][1] : silent[code];
}

function isAnswered(code: RefusalCode): code is keyof typeof answers {
  return Object.hasOwn(answers, code);
}

const answers = {
  "broken-request": [400, "The request is not valid HTTP/1.1."],
  "client-cert-malformed": [400, "Client-Cert and Client-Cert-Chain must be byte sequences of DER (RFC 9440)."],
  "client-cert-unexpected": [
    400,
    "Client-Cert and Client-Cert-Chain are taken from listed proxies alone; leave them out.",
  ],
  "field-missing": [400, "An HTTP/1.1 request needs a Host header field."],
  "field-repeated": [400, "A header field that may occur only once occurs more than once."],
  "forwarded-malformed": [400, "Forwarded is not as RFC 7239 has it."],
  "not-found": [404, "There is nothing at this path; check the path and its label."],
  "method-not-allowed": [405, "This path does not take this method; see the Allow header field."],
  "request-timeout": [408, "The request did not arrive in time."],
  "body-too-large": [413, "The request body is larger than this path accepts."],
  "path-too-long": [414, "A part of the request path is longer than this server accepts."],
  "expectation-failed": [417, "The only expectation that this server meets is 100-continue."],
  "header-too-large": [431, "The request header is larger than this server accepts."],
  "handler-failed": [500, "The server failed to handle the request; its operator finds the reason in the log."],
  "method-unknown": [501, "This server does not implement the request method."],
  "coding-unknown": [501, "The only transfer coding that this server implements is chunked."],
  "too-many-connections": [503, "The server has too many connections; try again later."],
  "too-many-requests": [503, "Too many requests were sent on one connection before the first was answered."],
} as const satisfies Readonly<Record<string, readonly [status: number, sentence: string]>>;

const silent = {
  "handshake-failed": "The TLS handshake failed.",
  "proxy-not-listed": "Somebody who is not a listed proxy asked for what only they may.",
  "proxy-header-malformed": "A listed proxy opened a connection with a PROXY protocol header that is not well formed.",
  "proxy-header-missing": "A listed proxy opened a connection without the PROXY protocol's header; let it send one.",
  "request-aborted": "The peer ended the connection before its request was complete or answered.",
  "too-many-connections-of-address": "One address has too many connections.",
} as const;
