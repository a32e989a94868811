/** Numbers and names of the EST wire. */

/** RFC 7030 3.2.2: the path prefix; an optional label stands between it and the operation. */
export const wellKnown = "/.well-known/est";

/** RFC 7030 3.2.2. */
export const operations = ["cacerts", "csrattrs", "simpleenroll", "simplereenroll", "serverkeygen", "fullcmc"] as const;
export type Operation = (typeof operations)[number];

/** RFC 7030 3.2.2: a label is one path segment and never an operation's name. */
export const operationNames: ReadonlySet<string> = new Set(operations);
export const labelPattern = /^[A-Za-z0-9._~-]{1,64}$/;

/** RFC 7030 3.2.4, RFC 8951 3. */
export const mediaTypes = {
  certsOnly: "application/pkcs7-mime",
  /** RFC 5751 names the parameter; RFC 7030 4.1.3 sends cacerts without it, 4.2.3 demands it. */
  certsOnlyWithParameter: "application/pkcs7-mime; smime-type=certs-only",
  request: "application/pkcs10",
  csrattrs: "application/csrattrs",
  /** RFC 7030 4.4.2. */
  multipart: "multipart/mixed",
  pkcs8: "application/pkcs8",
  /** RFC 7030 4.4.2, RFC 5751 3.2.2. */
  serverGeneratedKey: "application/pkcs7-mime; smime-type=server-generated-key",
  /** RFC 7030 4.3, RFC 5273 3. */
  cmcRequest: "application/pkcs7-mime; smime-type=CMC-request",
  cmcResponse: "application/pkcs7-mime; smime-type=CMC-response",
  text: "text/plain; charset=utf-8",
} as const;

/** Bytes of a request body. A P-256 request takes 300 to 600, RSA-4096 with many attributes stays below 4,000. */
export const mostRequestBytes = 65_536;
/** Characters of user name and password together (RFC 7617 sets no bound). */
export const mostCredentialCharacters = 512;
/** Characters of an Authorization field and of a challenge; a Digest of our own client takes about 400. */
export const mostAuthorizationCharacters = 2048;
/** Challenges of one answer that a device looks at; a server offers one for each scheme and algorithm. */
export const mostChallenges = 16;
/** RFC 7235 2.2: what user and password are for. It is hashed into the stored secrets of HTTP Digest (RFC 7616 3.4.2). */
export const realm = "est";

/** RFC 9110 10.2.3: seconds that a client is asked to stay away when it is turned away with 503. */
export const retryAfterOverload = 10;
/** Milliseconds that an undecided request is kept. */
export const waitingLifetime = 7 * 24 * 3600 * 1000;
/**
 * Milliseconds that an answer with a private key is kept: long enough for a device to start again and ask for what it lost, and
 * not longer, since nobody but the device is to have the key.
 */
export const keptKeyLifetime = 10 * 60 * 1000;
/**
 * Seconds of Retry-After that a device accepts at most, a day: RFC 7030 4.2.3 has it wait at least as long as it is told, and a
 * mistyped number must not make it wait for ever. A server that asks for more is asked again after this.
 */
export const mostRetryAfter = 86_400;
/** Milliseconds between two questions to a busy server (503) that does not say when: the first time, doubled up to the most. */
export const busyPause = { first: 5_000, most: 300_000 } as const;
/** RFC 9110 15.4 wants loops noticed; a server that has moved answers with one redirect, a label on top with two. */
export const mostRedirects = 5;
/** Characters of a Location. */
export const mostRedirectTarget = 2048;

/** Our own header fields: the run's id in every answer that belongs to one, and the error's code beside its sentence. */
export const runHeader = "Hatchery-Run";
export const runPattern = /^[A-Za-z0-9-]{1,64}$/;
export const errorHeader = "Hatchery-Error";
