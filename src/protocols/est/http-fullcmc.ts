import { encodeWireBase64 } from "../../encoding/base64.ts";
import { type Headers, type HttpRequest, type HttpResponse, singleField } from "../../transport/http/message.ts";
import { mediaTypes } from "./constants.ts";
import { EstRefused } from "./errors.ts";
import { decodeAuthorization } from "./http-authorization.ts";
import { mediaTypeOf } from "./media-type.ts";
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
