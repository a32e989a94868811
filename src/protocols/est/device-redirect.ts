import { codeOf } from "../../core/errors.ts";
import type { Connection, Peer } from "../../core/link.ts";
import { type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import { mostRedirects, mostRedirectTarget } from "./constants.ts";
import { endsAssociation, type HttpAuthentication } from "./device-authentication.ts";
import { EstFailed } from "./errors.ts";

/** Host and port of a server: with https, its origin (RFC 6454). */
export interface Origin {
  readonly host: string;
  readonly port: number;
}

/** How one request is made, and made again where a redirect leads. */
export interface Asking {
  readonly operation: string;
  /** Makes the request for an association; one that is bound to it cannot go over another (RFC 7030 3.5). */
  readonly make: (peer: Peer) => Promise<HttpRequest>;
  /** Opens an association with another origin, under all the checks of the first. */
  readonly dial: (origin: Origin) => Promise<Connection<HttpRequest, HttpResponse>>;
  /** Whether the request may go to another origin: for one that is no GET, RFC 7030 3.2.1 wants the user's consent. */
  readonly mayLeave: boolean;
  /** Answers challenges for HTTP authentication; none is answered without it. */
  readonly authentication?: HttpAuthentication;
  readonly sent?: (request: HttpRequest, peer: Peer) => void;
  readonly redirected?: (answer: HttpResponse, peer: Peer) => void;
}

export interface Asked {
  readonly answer: HttpResponse;
  /** Who answered: the server, or where it led to. */
  readonly peer: Peer;
  /** The server has ended the association that was asked over (RFC 9112 9.6). */
  readonly ended: boolean;
}

/**
 * Asks over `connection` and follows redirects: on the same association within an origin, on a new one that ends with the
 * answer elsewhere. Throws EstFailed `redirected` for one that is not followed; does not look at any other answer.
 */
export async function ask(
  connection: Connection<HttpRequest, HttpResponse>,
  origin: Origin,
  asking: Asking,
  signal: AbortSignal | undefined,
): Promise<Asked> {
  let current = connection;
  let here = origin;
  try {
    let request = await asking.make(current.peer);
    let followed = 0;
    let ended = false;
    let answering = false;
    let asked = false;
    for (;;) {
      // A server that takes anybody's request would answer one that no challenge has come for yet.
      const inquiry: boolean = !asked && asking.authentication?.asksFirst() === true;
      asked = true;
      const authorized = inquiry ? withoutRequest(request) : (asking.authentication?.authorized(request) ?? request);
      if (!inquiry) asking.sent?.(authorized, current.peer);
      const answer = await current.request(authorized, signal).catch((error: unknown) => {
        // libest's server ends the association behind its challenge without a word: nobody has read the answer to it.
        if (!answering || codeOf(error) !== "association-closed") throw error;
        return undefined;
      });
      if (answer === undefined) {
        answering = false;
        if (current === connection) ended = true;
        else await current.close();
        current = await asking.dial(here);
        request = { ...(await asking.make(current.peer)), path: request.path };
        continue;
      }
      if (current === connection && endsAssociation(answer)) ended = true;
      if (asking.authentication?.challenged(answer) === true) {
        answering = true;
        if (!endsAssociation(answer)) continue;
        if (current !== connection) await current.close();
        current = await asking.dial(here);
        request = { ...(await asking.make(current.peer)), path: request.path };
        continue;
      }
      if (inquiry && !isFollowed(request.method, answer.status)) {
        if (!endsAssociation(answer)) continue;
        if (current !== connection) await current.close();
        current = await asking.dial(here);
        request = { ...(await asking.make(current.peer)), path: request.path };
        continue;
      }
      if (!isFollowed(request.method, answer.status)) return { answer, peer: current.peer, ended };
      asking.redirected?.(answer, current.peer);
      followed += 1;
      const target = targetOf(answer, here, asking.operation);
      if (followed > mostRedirects)
        throw refused(answer, asking.operation, `it has redirected ${mostRedirects} times already`);
      const leaves = target.host !== here.host || target.port !== here.port;
      if (leaves && !asking.mayLeave)
        throw refused(
          answer,
          asking.operation,
          `${target.host}:${target.port} is another server, and nobody has agreed`,
        );
      if (leaves) {
        asking.authentication?.elsewhere();
        asked = false;
      }
      if (leaves || endsAssociation(answer)) {
        if (current !== connection) await current.close();
        current = await asking.dial(target);
        request = await asking.make(current.peer);
      }
      here = target;
      request = { ...request, path: target.path };
    }
  } finally {
    if (current !== connection) await current.close();
  }
}

/** RFC 9110 11.4: what is answered with a challenge where one is wanted, and means nothing elsewhere. */
function withoutRequest(request: HttpRequest): HttpRequest {
  return { ...request, body: new Uint8Array(0) };
}

/** RFC 9110 15.4: 307 and 308 keep the method; the others may turn a POST into a GET, which asks for something else. */
function isFollowed(method: string, status: number): boolean {
  return status === 307 || status === 308 || (method === "GET" && [301, 302, 303].includes(status));
}

function targetOf(answer: HttpResponse, { host, port }: Origin, operation: string): Origin & { readonly path: string } {
  const location = singleField(answer.headers, "location");
  const base = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  const url = location === undefined || location.length > mostRedirectTarget ? null : URL.parse(location, `${base}/`);
  // RFC 7030 3.2.1 knows https only; a name or password in the address would be the server's own invention.
  if (url === null || url.protocol !== "https:" || url.username !== "" || url.password !== "")
    throw refused(answer, operation, "its Location is not an https address");
  return {
    host: url.origin === URL.parse(base)?.origin ? host : url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 443 : Number(url.port),
    path: `${url.pathname}${url.search}`,
  };
}

function refused({ status }: HttpResponse, operation: string, reason: string): EstFailed {
  const sentence = `the server answers ${operation} with a redirect (${status}) that is not followed: ${reason}`;
  return new EstFailed("redirected", sentence, { details: { status } });
}
