import { messageOf } from "../../core/errors.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../encoding/base64.ts";
import { type Headers, type HttpResponse, singleField } from "../../transport/http/message.ts";
import { mediaTypes } from "./constants.ts";
import { EstFailed } from "./errors.ts";
import { type MediaType, mediaTypeOf } from "./http-media-type.ts";
import { decodeMultipart, encodeMultipart, type Part } from "./http-multipart.ts";
import {
  type DeliveredKey,
  decodeCertificates,
  type EstReply,
  encodeCertificates,
  type GeneratedResponse,
} from "./messages.ts";

/** The server's answer to serverkeygen (RFC 7030 4.4.2): the key, then its certificate. `run`: its header field. */
export function encodeGenerated(
  { certificate, key }: EstReply & { readonly kind: "generated" },
  form: "line" | "wrapped",
  run: Headers,
): HttpResponse {
  const part = (type: string, body: Uint8Array): Part => ({
    headers: [
      ["Content-Type", type],
      ["Content-Transfer-Encoding", "base64"],
    ],
    body,
  });
  const keyType = key.form === "pkcs8" ? mediaTypes.pkcs8 : mediaTypes.serverGeneratedKey;
  return {
    status: 200,
    headers: [
      ["Content-Type", `${mediaTypes.multipart}; boundary=${boundary}`],
      // RFC 9111 5.2.2.5: no memory on the way shall hold a private key.
      ["Cache-Control", "no-store"],
      ...run,
    ],
    body: encodeMultipart(
      [
        part(keyType, encodeWireBase64(key.bytes, form)),
        part(mediaTypes.certsOnlyWithParameter, encodeCertificates([certificate], form)),
      ],
      boundary,
    ),
  };
}

/**
 * The device's reading of the answer to serverkeygen with status 200: one part with a key and one with certificates, in any order, and others that
 * are passed over. Throws EstFailed `response-media-type` or `response-malformed`. Nothing is verified or decrypted.
 */
export function decodeGenerated({ headers, body }: HttpResponse): GeneratedResponse {
  const { name, parameters } = mediaTypeOf(singleField(headers, "content-type"));
  const limit = parameters.get("boundary");
  if (name !== mediaTypes.multipart || limit === undefined)
    throw new EstFailed(
      "response-media-type",
      `the server answered serverkeygen with ${name || "no media type"} instead of ${mediaTypes.multipart} with a boundary`,
    );
  const parts = decodeMultipart(body, limit).map((part) => ({
    type: mediaTypeOf(singleField(part.headers, "content-type")),
    body: part.body,
  }));
  const keys = parts.flatMap((part) => {
    const form = formOf(part.type);
    return form === undefined ? [] : [{ form, part }];
  });
  const certificates = parts.filter(({ type }) => isCertsOnly(type));
  const [key] = keys;
  const [certificate] = certificates;
  if (key === undefined || certificate === undefined || keys.length > 1 || certificates.length > 1)
    throw new EstFailed(
      "response-malformed",
      `the server's answer holds ${keys.length} private keys and ${certificates.length} messages with certificates instead of one of each`,
    );
  return {
    kind: "generated",
    key: { form: key.form, bytes: keyBytes(key.part.body) },
    certificates: decodeCertificates(certificate.body),
  };
}

function formOf({ name, parameters }: MediaType): DeliveredKey["form"] | undefined {
  if (name === mediaTypes.pkcs8) return "pkcs8";
  const isKey = parameters.get("smime-type")?.toLowerCase() === "server-generated-key";
  return name === mediaTypes.certsOnly && isKey ? "enveloped" : undefined;
}

/** Some servers leave the parameter out, which tells certificates from a key by itself. */
function isCertsOnly({ name, parameters }: MediaType): boolean {
  const smime = parameters.get("smime-type")?.toLowerCase();
  return name === mediaTypes.certsOnly && (smime === undefined || smime === "certs-only");
}

/** The cause stays out of the error: what it was made from is a private key. */
function keyBytes(body: Uint8Array): Uint8Array {
  try {
    return decodeWireBase64(body);
  } catch (error) {
    throw new EstFailed(
      "response-malformed",
      `the private key in the server's answer is not base64: ${messageOf(error)}`,
    );
  }
}

/** Begins no line of a part: the alphabet of base64 has no hyphen. */
const boundary = "hatchery-key-and-certificate";
