import { decodeWireBase64, encodeWireBase64 } from "../../encoding/base64.ts";
import { decodePkiResponse } from "../../pki/cmc.ts";
import { type StatusInfo, statusInfosOf } from "../../pki/cmc-status.ts";
import { parseSignedData } from "../../pki/cms-signed-data.ts";
import { type Headers, type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import { mediaTypes, wellKnown } from "./constants.ts";
import { EstRefused } from "./errors.ts";
import { decodeAuthorization } from "./http-authorization.ts";
import { mediaTypeOf } from "./http-media-type.ts";
import { type EstRequest, parseRequest } from "./messages.ts";
import { decodeFullRequest } from "./messages-fullcmc.ts";

/** Decodes a request for fullcmc (RFC 7030 4.3.1); throws EstRefused for what is wrong around the Full PKI Request. */
export function decodeFullCmc(label: string | undefined, request: HttpRequest): EstRequest {
  const { headers, body } = request;
  const { name, parameters } = mediaTypeOf(singleField(headers, "content-type"));
  const smime = parameters.get("smime-type")?.toLowerCase();
  // RFC 7030 3.2.2: the parameter says nothing that the body does not say; who leaves it out is understood.
  if (name !== mediaTypes.certsOnly || (smime !== undefined && smime !== "cmc-request"))
    throw new EstRefused("media-type-cmc", "the content type is not that of a Full PKI Request");
  const credentials = decodeAuthorization(singleField(headers, "authorization"), request);
  const full = decodeFullRequest(body);
  const malformed = (refusal: EstRefused): EstRequest => ({
    kind: "malformed",
    label,
    operation: "fullcmc",
    refusal,
    bytes: body.length,
    reference: full.reference,
    nothing: body.length === 0 && credentials === undefined,
  });
  if ("refusal" in full) return malformed(full.refusal);
  try {
    return {
      kind: "fullcmc",
      label,
      csr: parseRequest("fullcmc", full.certificationRequest),
      bytes: body.length,
      full,
      ...(credentials === undefined ? {} : { credentials }),
    };
  } catch (error) {
    if (!(error instanceof EstRefused)) throw error;
    return malformed(error);
  }
}

/** The device's request for fullcmc: a Full PKI Request in DER. */
export function encodeFullCmc(label: string | undefined, message: Uint8Array): HttpRequest {
  return {
    method: "POST",
    path: label === undefined ? `${wellKnown}/fullcmc` : `${wellKnown}/${label}/fullcmc`,
    headers: [
      ["Content-Type", mediaTypes.cmcRequest],
      ["Content-Transfer-Encoding", "base64"],
    ],
    body: encodeWireBase64(message, "wrapped"),
  };
}

/** What a body is by its type (RFC 5273 3): the smime-type of application/pkcs7-mime in lower case; undefined for any other. */
export function smimeTypeOf(headers: Headers): string | undefined {
  const { name, parameters } = mediaTypeOf(singleField(headers, "content-type"));
  return name === mediaTypes.certsOnly ? parameters.get("smime-type")?.toLowerCase() : undefined;
}

/**
 * The reason in a failure that came as CMC (RFC 7030 4.2.3); undefined when there is none. Nobody has verified who says so: that
 * it is a failure is what the status line says.
 */
export function failureIn({ headers, body }: HttpResponse): StatusInfo | undefined {
  if (mediaTypeOf(singleField(headers, "content-type")).name !== mediaTypes.certsOnly) return undefined;
  try {
    const { eContent } = parseSignedData(decodeWireBase64(body));
    const { controls } = decodePkiResponse(eContent ?? new Uint8Array(0));
    return statusInfosOf(controls).find(({ status }) => status !== "success");
  } catch {
    // It is a failure all the same, and its status has been told.
    return undefined;
  }
}

/** What a failure says in CMC, in one line of printable ASCII. */
export function failureText({ status, failInfo, statusString = "" }: StatusInfo): string {
  const said = statusString
    .slice(0, 300)
    .replace(/[^\x20-\x7e]+/g, " ")
    .trim();
  return `${failInfo ?? status}${said === "" ? "" : `: ${said}`}`;
}

/** The same answer with a Full PKI Response in place of its body (RFC 7030 4.3.2); status and other fields stay. */
export function withFullResponse(
  { status, headers }: HttpResponse,
  fullResponse: Uint8Array,
  form: "line" | "wrapped",
): HttpResponse {
  const replaced: ReadonlySet<string> = new Set(["content-type", "content-transfer-encoding"]);
  const others: Headers = headers.filter(([name]) => !replaced.has(name.toLowerCase()));
  return {
    status,
    headers: [["Content-Type", mediaTypes.cmcResponse], ["Content-Transfer-Encoding", "base64"], ...others],
    body: encodeWireBase64(fullResponse, form),
  };
}
