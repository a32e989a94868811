import { codeOf, messageOf } from "../../core/errors.ts";
import { decodeWireBase64, encodeWireBase64 } from "../../encoding/base64.ts";
import { type Certificate, parseCertificate } from "../../pki/certificate.ts";
import { decodeCertsOnly, encodeCertsOnly } from "../../pki/cms.ts";
import { type CertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import { type AttrOrOid, encodeCsrAttrs, parseCsrAttrs } from "../../pki/csr-attributes.ts";
import { EstFailed, type EstRefusal, EstRefused } from "./errors.ts";
import type { CmcReference, FullRequest } from "./messages-fullcmc.ts";

/** HTTP Basic credentials (RFC 7617), as far as they could be read. */
export interface BasicCredentials {
  readonly user: string;
  readonly password: string;
}

/** Algorithms of HTTP Digest that are known here (RFC 7616 6.1). */
export type DigestAlgorithm = "SHA-256" | "MD5";

/** What a Digest response proves the password over, in the words of RFC 7616 3.4; `nc` and `cnonce` as they were sent. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly nc: string;
  readonly cnonce: string;
}

/** HTTP credentials as a request presents them, unverified. */
export type PresentedCredentials =
  | (BasicCredentials & { readonly kind: "basic" })
  | (DigestInput & { readonly kind: "digest"; readonly user: string; readonly response: string });

interface RequestBase {
  readonly label: string | undefined;
}

/** A request as the server understands it. */
export type EstRequest =
  | (RequestBase & { readonly kind: "cacerts" })
  | (RequestBase & { readonly kind: "csrattrs" })
  | EnrollRequest
  /** Could not be decoded: refused with this code, but it still belongs to a run. */
  | (RequestBase & {
      readonly kind: "malformed";
      readonly operation: string;
      readonly refusal: EstRefused;
      readonly bytes: number;
      /** It had neither a body nor credentials: some clients ask so for the challenges of a 401. */
      readonly nothing?: boolean;
      /** Of fullcmc, once its Full PKI Request could be read. */
      readonly reference?: CmcReference;
    });

/** A request for a certificate, whatever it came in. */
export type EnrollRequest = SimpleRequest | FullCmcRequest;

interface EnrollBase extends RequestBase {
  readonly csr: CertificationRequest;
  readonly credentials?: PresentedCredentials;
  /** Bytes of the body as received. */
  readonly bytes: number;
}

export interface SimpleRequest extends EnrollBase {
  readonly kind: "simpleenroll" | "simplereenroll" | "serverkeygen";
}

export interface FullCmcRequest extends EnrollBase {
  readonly kind: "fullcmc";
  readonly full: FullRequest;
}

/** An answer as the server means it. `fullResponse`: the CMC message in DER that says so to fullcmc, in place of a plain body. */
export type EstReply =
  /** `run`: the run that issued them, when it is not the one of this request. */
  | {
      readonly kind: "certificates";
      readonly certificates: readonly Uint8Array[];
      readonly run?: string;
      readonly fullResponse?: Uint8Array;
    }
  /** A key pair that the server made: its certificate and its private half (RFC 7030 4.4.2). */
  | {
      readonly kind: "generated";
      readonly certificate: Uint8Array;
      readonly key: DeliveredKey;
      readonly run?: string;
    }
  /** None of them: there is nothing that requests have to hold. */
  | { readonly kind: "csrattrs"; readonly elements: readonly AttrOrOid[] }
  /** `run`: the run that waits, also when this request changed nothing in it. */
  | {
      readonly kind: "pending";
      readonly retryAfter: number;
      readonly run?: string;
      readonly fullResponse?: Uint8Array;
    }
  /** `from`: when the same request is allowed, in milliseconds, where that is known. */
  | {
      readonly kind: "refused";
      readonly refusal: EstRefusal;
      readonly from?: number;
      readonly fullResponse?: Uint8Array;
    };

/** An answer as the device understands it; refusals are thrown. */
export type EstResponse =
  | { readonly kind: "certificates"; readonly certificates: readonly Certificate[] }
  | { readonly kind: "pending"; readonly retryAfter: number };

/** The answer to serverkeygen as the device understands it. */
export interface GeneratedResponse {
  readonly kind: "generated";
  readonly certificates: readonly Certificate[];
  readonly key: DeliveredKey;
}

/** A private key as serverkeygen sends it. */
export interface DeliveredKey {
  /** PKCS #8 that TLS alone keeps secret, or CMS EnvelopedData. */
  readonly form: "pkcs8" | "enveloped";
  /** In DER. */
  readonly bytes: Uint8Array;
}

/**
 * The PKCS #10 request in the body of an enrolment; throws EstRefused. Its key is checked, but in serverkeygen, which has no use
 * for it; its signature is not.
 */
export function decodeRequestBody(operation: EnrollRequest["kind"], body: Uint8Array): CertificationRequest {
  if (body.length === 0) throw new EstRefused("body-missing", "the body is empty");
  let der: Uint8Array;
  try {
    der = decodeWireBase64(body);
  } catch (error) {
    throw new EstRefused(codeOf(error) === "pem-armour" ? "pem-armour" : "base64", messageOf(error), { cause: error });
  }
  return parseRequest(operation, der);
}

/** The PKCS #10 request itself, in DER; throws EstRefused as `decodeRequestBody` does. */
export function parseRequest(operation: EnrollRequest["kind"], der: Uint8Array): CertificationRequest {
  try {
    const request = parseCertificationRequest(der);
    // The key is parsed when it is first asked for.
    if (operation !== "serverkeygen") void request.publicKey;
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

/** Body of csrattrs (RFC 7030 4.5.2, RFC 8951 3). */
export function encodeAttributes(elements: readonly AttrOrOid[], form: "line" | "wrapped"): Uint8Array {
  return encodeWireBase64(encodeCsrAttrs(elements), form);
}

/** The elements of a csrattrs body; throws EstFailed. What they mean is not looked at. */
export function decodeAttributes(body: Uint8Array): readonly AttrOrOid[] {
  try {
    // libest's example server sends the NUL at the end of its C string too.
    const text = body.at(-1) === 0 ? body.subarray(0, -1) : body;
    return text.length === 0 ? [] : parseCsrAttrs(decodeWireBase64(text));
  } catch (error) {
    throw new EstFailed("csrattrs-malformed", `what the server wants in requests cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const keyRefusals: { readonly [code: string]: EstRefusal } = {
  "weak-key": "key-weak",
  "unsupported-key": "key-unsupported",
};
