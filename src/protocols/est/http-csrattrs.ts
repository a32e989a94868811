import type { AttrOrOid } from "../../pki/csr-attributes.ts";
import { type HttpResponse, singleField } from "../../transport/http/message.ts";
import { mediaTypes } from "./constants.ts";
import { EstFailed } from "./errors.ts";
import { refuseAnswer } from "./http.ts";
import { mediaTypeOf } from "./http-media-type.ts";
import { decodeAttributes } from "./messages.ts";

/**
 * The device's reading of an answer to csrattrs, empty when the server asks for nothing; throws EstFailed. What the elements mean
 * is not looked at.
 */
export function decodeCsrAttrs(response: HttpResponse, now: number): readonly AttrOrOid[] {
  if (asksForNothing.has(response.status)) return [];
  if (response.status !== 200) refuseAnswer("csrattrs", response, now);
  // An empty body has no type.
  if (response.body.length === 0) return [];
  const { name } = mediaTypeOf(singleField(response.headers, "content-type"));
  if (name === mediaTypes.csrattrs) return decodeAttributes(response.body);
  throw new EstFailed(
    "response-media-type",
    `the server answered csrattrs with ${name || "no media type"} instead of ${mediaTypes.csrattrs}`,
  );
}

/** RFC 7030 4.5.2: 204 and 404. A server without the operation may find the path or the method wrong as well. */
const asksForNothing: ReadonlySet<number> = new Set([204, 404, 405, 501]);
