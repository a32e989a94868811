import type { Signer } from "../crypto/signer.ts";
import * as der from "../encoding/der-writer.ts";
import { contextPrimitive, tags } from "../encoding/tags.ts";
import { encodedReasons, type RevocationReason } from "./crl-reasons.ts";
import { encodeExtensions } from "./extensions.ts";
import { responderKeyHash } from "./ocsp-cert-id.ts";
import { encodingOcsp } from "./ocsp-errors.ts";
import { encodeNonce } from "./ocsp-request.ts";
import { type CertStatus, type OcspErrorStatus, ocspErrorStatuses } from "./ocsp-statuses.ts";
import { ocspTypes } from "./oids.ts";

export interface OcspResponseContent {
  /** About each certificate of the request: the CertID as it was received, and what there is to say. */
  readonly responses: readonly { readonly certId: Uint8Array; readonly status: CertStatus }[];
  /** Milliseconds since 1970-01-01 UTC; fractions of a second are dropped. Also written as producedAt. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly nextUpdate: number;
  /** Of the request. */
  readonly nonce?: Uint8Array;
  /** Certificate in DER of a responder to whom the issuer has delegated; undefined when the issuer itself signs. */
  readonly responder?: Uint8Array;
  /** The issuer's, or the responder's. */
  readonly signer: Signer;
}

/**
 * A successful OCSPResponse in DER with a signed BasicOCSPResponse. Throws OcspError `unencodable`, and what the signer
 * throws. It does not check that all certificates have one issuer, whose answer it then is.
 */
export async function buildOcspResponse(content: OcspResponseContent): Promise<Uint8Array> {
  const { signer, responder } = content;
  const tbsResponseData = encodingOcsp("OCSP response", () => encodeResponseData(content));
  const signature = await signer.sign(tbsResponseData);
  const basic = der.sequence([
    tbsResponseData,
    signer.algorithm,
    der.bitString(signature),
    ...(responder === undefined ? [] : [der.explicit(0, der.sequence([responder]))]),
  ]);
  const responseBytes = der.sequence([der.objectIdentifier(ocspTypes.basic), der.octetString(basic)]);
  return der.sequence([successful, der.explicit(0, responseBytes)]);
}

/** An OCSPResponse in DER that is an error status alone: it is not signed (RFC 6960 2.3). */
export function buildOcspError(status: OcspErrorStatus): Uint8Array {
  return der.sequence([enumerated(statusNumbers.get(status) ?? internalError)]);
}

function encodeResponseData(content: OcspResponseContent): Uint8Array {
  const { responses, thisUpdate, nextUpdate, nonce, signer } = content;
  const single = ({ certId, status }: OcspResponseContent["responses"][number]) =>
    der.sequence([
      certId,
      encodeCertStatus(status),
      der.generalizedTime(thisUpdate),
      der.explicit(0, der.generalizedTime(nextUpdate)),
    ]);
  return der.sequence([
    // By its key, which is shorter than its name.
    der.explicit(2, der.octetString(responderKeyHash(signer.publicKey))),
    der.generalizedTime(thisUpdate),
    der.sequence(responses.map(single)),
    ...(nonce === undefined ? [] : [der.explicit(1, encodeExtensions([encodeNonce(nonce)]))]),
  ]);
}

function encodeCertStatus(status: CertStatus): Uint8Array {
  switch (status.kind) {
    case "good":
      return good;
    case "unknown":
      return unknown;
    case "revoked":
      return der.implicit(
        1,
        der.sequence([der.generalizedTime(status.revocationTime), ...encodeReason(status.reason)]),
      );
  }
}

function encodeReason(reason: RevocationReason | undefined): readonly Uint8Array[] {
  // RFC 5280 5.3.1: unspecified should not be written.
  if (reason === undefined || reason === "unspecified") return [];
  const value = encodedReasons.get(reason);
  return value === undefined ? [] : [der.explicit(0, value)];
}

function enumerated(value: number): Uint8Array {
  return der.element(tags.enumerated, Uint8Array.of(value));
}

const statusNumbers: ReadonlyMap<OcspErrorStatus, number> = new Map(
  [...ocspErrorStatuses].map(([number, status]) => [status, number]),
);
const internalError = 2;
const successful = enumerated(0);
const good = der.element(contextPrimitive(0), new Uint8Array());
const unknown = der.element(contextPrimitive(2), new Uint8Array());
