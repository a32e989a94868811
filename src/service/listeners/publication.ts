import { fromBase64, hex } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { codeOf } from "../../core/errors.ts";
import { sha256 } from "../../crypto/mac.ts";
import {
  fieldValues,
  type Headers,
  type HttpRequest,
  type HttpResponse,
  singleField,
} from "../../transport/http/message.ts";
import type { PlainRoute } from "../../transport/http/plain-listener.ts";
import { Refusal } from "../../transport/http/refusals.ts";
import type { Publication } from "../publication.ts";
import { errorAnswer, type OcspAnswer } from "../publication-ocsp.ts";
import { publicationPaths } from "../publication-urls.ts";
import { storeErrors } from "../store-failures.ts";

export interface PublicationListenerParts {
  readonly clock: Clock;
  /** Undefined when there is no such tenant. */
  readonly publicationOf: (tenant: string) => Publication | undefined;
  /** Told of each OCSP request that could not be answered; must not throw. */
  readonly onError: (error: unknown) => void;
}

/** CRLs, certificates of CAs, and OCSP of all tenants, for a listener without TLS. */
export function publicationRoutes({ clock, publicationOf, onError }: PublicationListenerParts): readonly PlainRoute[] {
  function required(tenant: string | undefined): Publication {
    const publication = publicationOf(tenant ?? "");
    if (publication === undefined) throw new Refusal("not-found");
    return publication;
  }

  const crl: PlainRoute["handle"] = async (request, { tenant, file }) => {
    const list = required(tenant).crl(nameOf(file, ".crl"));
    if (list === undefined) throw new Refusal("not-found");
    return document(request, "application/pkix-crl", list.der, shared(list.thisUpdate, list.nextUpdate, clock.now()));
  };

  const certificate: PlainRoute["handle"] = async (request, { tenant, file }) => {
    const der = await required(tenant).certificate(nameOf(file, ".cer"));
    if (der === undefined) throw new Refusal("not-found");
    return document(request, "application/pkix-cert", der, [["Cache-Control", "public, max-age=86400"]]);
  };

  async function answerTo(tenant: string | undefined, request: Uint8Array | undefined): Promise<OcspAnswer> {
    const publication = required(tenant);
    if (request === undefined) return errorAnswer("malformedRequest");
    try {
      return await publication.ocsp(request);
    } catch (error) {
      onError(error);
      // RFC 6960 2.3: what may pass by itself, and what may not.
      return errorAnswer(storeErrors.has(codeOf(error)) ? "tryLater" : "internalError");
    }
  }

  const posted: PlainRoute["handle"] = async (request, { tenant }) => {
    // RFC 6960 A.1.
    if (singleField(request.headers, "content-type")?.toLowerCase() !== "application/ocsp-request")
      return { status: 415, headers: [["Accept-Post", "application/ocsp-request"]], body: nothing };
    const { response } = await answerTo(tenant, request.body);
    return ocspResponse(response, [["Cache-Control", "no-store"]]);
  };

  const asked: PlainRoute["handle"] = async (request, { tenant, "*": text = "" }) => {
    const answer = await answerTo(tenant, fromBase64(text));
    if (answer.shared === undefined) return ocspResponse(answer.response, [["Cache-Control", "no-store"]]);
    const { thisUpdate, nextUpdate } = answer.shared;
    return document(request, ocspType, answer.response, shared(thisUpdate, nextUpdate, clock.now()));
  };

  const { crl: lists, authority, ocsp } = publicationPaths;
  return [
    ...["GET", "HEAD"].flatMap((method) => [
      { method, path: `/${lists}/:tenant/:file`, bodyLimit: 0, handle: crl },
      { method, path: `/${authority}/:tenant/:file`, bodyLimit: 0, handle: certificate },
    ]),
    { method: "POST", path: `/${ocsp}/:tenant`, bodyLimit: largestRequest, handle: posted },
    // Not every client escapes the slashes of base64.
    { method: "GET", path: `/${ocsp}/:tenant/*`, bodyLimit: 0, handle: asked },
  ];
}

/** The name before the ending; no authority has the empty name. */
function nameOf(file = "", ending: string): string {
  return file.endsWith(ending) ? file.slice(0, -ending.length) : "";
}

/** What a cache may hand to others until there is something newer (RFC 5019 6.2). */
function shared(thisUpdate: number, nextUpdate: number, now: number): Headers {
  const seconds = Math.max(0, Math.floor((nextUpdate - now) / 1000));
  return [
    ["Last-Modified", new Date(thisUpdate).toUTCString()],
    ["Expires", new Date(nextUpdate).toUTCString()],
    ["Cache-Control", `public, max-age=${seconds}, no-transform, must-revalidate`],
  ];
}

/** `body`, or 304 for who has it (RFC 9110 13.1.2). */
function document(request: HttpRequest, type: string, body: Uint8Array, freshness: Headers): HttpResponse {
  const tag = entityTag(body);
  const known = fieldValues(request.headers, "if-none-match").flatMap((value) => value.split(","));
  const headers: Headers = [["ETag", tag], ...freshness];
  return known.some((each) => ["*", tag, `W/${tag}`].includes(each.trim()))
    ? { status: 304, headers, body: nothing }
    : { status: 200, headers: [["Content-Type", type], ...headers], body };
}

function entityTag(body: Uint8Array): string {
  const known = entityTags.get(body);
  if (known !== undefined) return known;
  const tag = `"${hex(sha256(body).subarray(0, 16))}"`;
  entityTags.set(body, tag);
  return tag;
}

function ocspResponse(body: Uint8Array, headers: Headers): HttpResponse {
  return { status: 200, headers: [["Content-Type", ocspType], ...headers], body };
}

/** A CRL may have megabytes, and is asked for again and again. */
const entityTags = new WeakMap<Uint8Array, string>();
const ocspType = "application/ocsp-response";
/** A request for a few certificates, signed with a chain. */
const largestRequest = 16 * 1024;
const nothing = new Uint8Array(0);
