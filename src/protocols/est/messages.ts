import { codeOf, messageOf } from "../../core/errors.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../encoding/base64.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { decodeCertsOnly, encodeCertsOnly } from "../../pki/cms.ts";
import { type CertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import { EstFailed, type EstRefusal, EstRefused } from "./errors.ts";

/** HTTP Basic credentials (RFC 7617), as far as they could be read. */
export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

interface RequestBase {
  readonly label: string | undefined;
}

/** A request as the server understands it. */
export type EstRequest =
  | (RequestBase & { readonly kind: "cacerts" })
  | EnrollRequest
  /** Could not be decoded: refused with this code, but it still belongs to a run. */
  | (RequestBase & {
      readonly kind: "malformed";
      readonly operation: string;
      readonly refusal: EstRefused;
      readonly bytes: number;
    });

export interface EnrollRequest extends RequestBase {
  readonly kind: "simpleenroll" | "simplereenroll";
  readonly csr: CertificationRequest;
  readonly credentials?: BasicCredentials;
  /** Bytes of the body as received. */
  readonly bytes: number;
}

/** An answer as the server means it. */
export type EstReply =
  /** `run`: the run that issued them, when it is not the one of this request. */
  | { readonly kind: "certificates"; readonly certificates: readonly Uint8Array[]; readonly run?: string }
  /** `run`: the run that waits, also when this request changed nothing in it. */
  | { readonly kind: "pending"; readonly retryAfter: number; readonly run?: string }
  /** `from`: when the same request is allowed, in milliseconds, where that is known. */
  | { readonly kind: "refused"; readonly refusal: EstRefusal; readonly from?: number };

/** An answer as the device understands it; refusals are thrown. */
export type EstResponse =
  | { readonly kind: "certificates"; readonly certificates: readonly Certificate[] }
  | { readonly kind: "pending"; readonly retryAfter: number };

/** The PKCS #10 request in the body of simpleenroll; throws EstRefused. Its key is checked, its signature is not. */
export function decodeRequestBody(body: Uint8Array): CertificationRequest {
  if (body.length === 0) throw new EstRefused("body-missing", "the body is empty");
  let der: Uint8Array;
  try {
    der = decodeWireBase64(body);
  } catch (error) {
    throw new EstRefused(codeOf(error) === "pem-armour" ? "pem-armour" : "base64", messageOf(error), { cause: error });
  }
  try {
    const request = parseCertificationRequest(der);
    // The key is parsed when it is first asked for.
    void request.publicKey;
    return request;
  } catch (error) {
    throw new EstRefused(keyRefusals[codeOf(error)] ?? "csr-malformed", messageOf(error), { cause: error });
  }
}

/** The body of simpleenroll: RFC 8951 3.1 base64, in lines of 64 with a final LF, which every server seen accepts. */
export function encodeRequestBody(csr: Uint8Array): Uint8Array {
  return encodeWireBase64(csr, "wrapped");
}

/** Body of a Simple PKI Response (RFC 5272 4.1) or of cacerts. */
export function encodeCertificates(certificates: readonly Uint8Array[], form: "line" | "wrapped"): Uint8Array {
  return encodeWireBase64(encodeCertsOnly(certificates), form);
}

/** The certificates of a certs-only body; throws EstFailed. Nothing about them is verified here. */
export function decodeCertificates(body: Uint8Array): readonly Certificate[] {
  try {
    return decodeCertsOnly(decodeWireBase64(body)).map((der) => parseCertificate(der));
  } catch (error) {
    throw new EstFailed("response-malformed", `the server's answer is not a certs-only message: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const keyRefusals: { readonly [code: string]: EstRefusal } = {
  "weak-key": "key-weak",
  "unsupported-key": "key-unsupported",
};
