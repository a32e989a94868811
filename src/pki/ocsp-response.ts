import { equal } from "../core/bytes.ts";
import { verifySignature } from "../crypto/keys.ts";
import { type DerReader, decodeDer } from "../encoding/der.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, contextPrimitive, tags } from "../encoding/tags.ts";
import { timeOf } from "../encoding/time.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { readRevocationReason } from "./crl-reasons.ts";
import { readExtensions } from "./extensions.ts";
import { equalNames, type Name, readName } from "./name.ts";
import { type CertId, isCertIdOf, readCertId, responderKeyHash } from "./ocsp-cert-id.ts";
import { decodingOcsp, OcspError } from "./ocsp-errors.ts";
import { nonceOf, refuseCritical, refuseVersion } from "./ocsp-request.ts";
import { type CertStatus, type OcspErrorStatus, ocspErrorStatuses } from "./ocsp-statuses.ts";
import { extensionTypes, keyPurposes, ocspTypes } from "./oids.ts";
import { extKeyUsageOf, keyUsageOf } from "./standard-extensions.ts";

/** An OCSPResponse (RFC 6960 4.2). All bytes are views of what was parsed. */
export type OcspResponse =
  | { readonly kind: "error"; readonly status: OcspErrorStatus }
  | ({ readonly kind: "basic" } & BasicOcspResponse);

/** A BasicOCSPResponse (RFC 6960 4.2.1). */
export interface BasicOcspResponse {
  /** What the signature is over. */
  readonly tbsResponseData: Uint8Array;
  /** Name of the responder, or SHA-1 of its key's bits. */
  readonly responderId: { readonly byName: Name } | { readonly byKey: Uint8Array };
  /** Milliseconds since 1970-01-01 UTC. */
  readonly producedAt: number;
  readonly responses: readonly SingleResponse[];
  readonly nonce?: Uint8Array;
  /** AlgorithmIdentifier in DER. */
  readonly signatureAlgorithm: Uint8Array;
  readonly signature: Uint8Array;
  /** What came with it, to find the responder in. */
  readonly certs: readonly Certificate[];
}

export interface SingleResponse {
  readonly certId: CertId;
  readonly status: CertStatus;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly thisUpdate: number;
  /** Milliseconds since 1970-01-01 UTC; undefined when newer information is available all the time. */
  readonly nextUpdate: number | undefined;
}

/**
 * Parses an OCSPResponse in DER of at most 64 KiB. Throws OcspError `malformed-ocsp` or `critical-extension`. It does not check
 * the signature nor the dates.
 */
export function parseOcspResponse(bytes: Uint8Array): OcspResponse {
  return decodingOcsp("OCSP response", () => decodeDer(bytes, (reader) => reader.sequence(readOcspResponse)));
}

export interface OcspExpectation {
  /** Of the certificate in question; found and validated by the caller. */
  readonly issuer: Certificate;
  /** Content octets, as in `Certificate`. */
  readonly serialNumber: Uint8Array;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly at: number;
  /** Of the request; without one an earlier answer that is still current is as good. */
  readonly nonce?: Uint8Array;
}

/**
 * What the response says of the one certificate that was asked for (RFC 6960 3.2): the answer is about it, signed by its
 * issuer or by a responder that the issuer itself certified for OCSP, current, and to this request. Throws OcspError,
 * CryptoError for keys and algorithms that are not supported, and PkiError for malformed extensions. It does not check the
 * issuer's certificate, nor whether a responder without id-pkix-ocsp-nocheck was revoked itself.
 */
export function verifyOcspResponse(response: OcspResponse, expectation: OcspExpectation): CertStatus {
  if (response.kind === "error")
    throw new OcspError("not-successful", `The OCSP responder has no answer: ${response.status}.`, {
      details: { status: response.status },
    });
  const { issuer, serialNumber, at, nonce } = expectation;
  const key = responderOf(response, issuer, at).publicKey;
  if (!verifySignature(key, response.signatureAlgorithm, response.tbsResponseData, response.signature))
    throw new OcspError("bad-signature", "The OCSP response was not signed by its responder.");
  if (nonce !== undefined && (response.nonce === undefined || !equal(response.nonce, nonce)))
    throw new OcspError("other-nonce", "The OCSP response does not have the nonce of the request.");
  const single = response.responses.find(({ certId }) => isCertIdOf(certId, issuer, serialNumber));
  if (single === undefined)
    throw new OcspError("other-certificate", "The OCSP response is not about the certificate that was asked for.");
  const { thisUpdate, nextUpdate = Number.POSITIVE_INFINITY, status } = single;
  if (at < thisUpdate || at >= nextUpdate)
    throw new OcspError("not-current", "The OCSP response is from the future, or there is a newer one.", {
      details: { thisUpdate, nextUpdate },
    });
  return status;
}

/** RFC 6960 4.2.2.2: the issuer itself, or who has a certificate directly from it for this very purpose. */
function responderOf(response: BasicOcspResponse, issuer: Certificate, at: number): Certificate {
  if (isNamed(response, issuer)) return issuer;
  const responder = response.certs.find((certificate) => isNamed(response, certificate));
  const refuse = (reason: string) =>
    new OcspError("not-the-responder", `The OCSP response is not believed: ${reason}.`);
  if (responder === undefined) throw refuse("its responder is not the issuer, and its certificate is not there");
  if (!equalNames(responder.issuer, issuer.subject)) throw refuse("its responder was certified by another issuer");
  if (!extKeyUsageOf(responder.extensions)?.includes(keyPurposes.OCSPSigning))
    throw refuse("the certificate of its responder is not for OCSP");
  if (keyUsageOf(responder.extensions)?.has("digitalSignature") === false)
    throw refuse("the certificate of its responder has a keyUsage without digitalSignature");
  if (responder.extensions.some(({ type, critical }) => critical && !processed.has(type)))
    throw refuse("the certificate of its responder has a critical extension that is not known here");
  if (at < responder.notBefore || at > responder.notAfter)
    throw refuse("the certificate of its responder is not valid at this time");
  if (!verifySignature(issuer.publicKey, responder.signatureAlgorithm, responder.tbsCertificate, responder.signature))
    throw refuse("the certificate of its responder was not signed by the issuer");
  return responder;
}

function isNamed({ responderId }: BasicOcspResponse, certificate: Certificate): boolean {
  return "byName" in responderId
    ? equalNames(responderId.byName, certificate.subject)
    : equal(responderId.byKey, responderKeyHash(certificate.subjectPublicKeyInfo));
}

function readOcspResponse(reader: DerReader): OcspResponse {
  const number = reader.smallInteger(maximumStatus, tags.enumerated);
  const status = ocspErrorStatuses.get(number);
  if (status !== undefined) return { kind: "error", status };
  if (number !== 0) throw new DerError("bad-value", "The OCSPResponseStatus is not one of RFC 6960 4.2.1.");
  return reader.explicit(0, (outer) =>
    outer.sequence((responseBytes) => {
      if (responseBytes.objectIdentifier() !== ocspTypes.basic)
        throw new DerError("bad-value", "The OCSP response is not a basic one.");
      return { kind: "basic", ...decodeDer(responseBytes.octetString(), readBasicOcspResponse) };
    }),
  );
}

function readBasicOcspResponse(reader: DerReader): BasicOcspResponse {
  return reader.sequence((content) => {
    const tbsResponseData = content.raw(tags.sequence);
    const signatureAlgorithm = content.raw(tags.sequence);
    const signature = content.octetsOfBitString();
    const certs = content.has(contextConstructed(0))
      ? content.explicit(0, (list) =>
          list.listOf((item) => parseCertificate(item.raw(tags.sequence)), maximumCertificates),
        )
      : [];
    return { tbsResponseData, signatureAlgorithm, signature, certs, ...decodeDer(tbsResponseData, readResponseData) };
  });
}

function readResponseData(reader: DerReader) {
  return reader.sequence((content) => {
    refuseVersion(content);
    const responderId = readResponderId(content);
    const producedAt = readTime(content);
    const responses = content.listOf(readSingleResponse, maximumResponses);
    const extensions = content.has(contextConstructed(1)) ? content.explicit(1, readExtensions) : [];
    refuseCritical(extensions, [ocspTypes.nonce]);
    const nonce = nonceOf(extensions);
    return { responderId, producedAt, responses, ...(nonce === undefined ? {} : { nonce }) };
  });
}

function readResponderId(reader: DerReader): BasicOcspResponse["responderId"] {
  if (reader.has(contextConstructed(1))) return { byName: reader.explicit(1, readName) };
  return { byKey: reader.explicit(2, (content) => content.octetString()) };
}

function readSingleResponse(reader: DerReader): SingleResponse {
  return reader.sequence((single) => {
    const certId = readCertId(single);
    const status = readCertStatus(single);
    const thisUpdate = readTime(single);
    const nextUpdate = single.has(contextConstructed(0)) ? single.explicit(0, readTime) : undefined;
    if (single.has(contextConstructed(1))) refuseCritical(single.explicit(1, readExtensions));
    return { certId, status, thisUpdate, nextUpdate };
  });
}

function readCertStatus(reader: DerReader): CertStatus {
  if (reader.has(contextConstructed(1)))
    return reader.constructed(contextConstructed(1), (info) => {
      const revocationTime = readTime(info);
      if (!info.has(contextConstructed(0))) return { kind: "revoked", revocationTime };
      return { kind: "revoked", revocationTime, reason: info.explicit(0, readRevocationReason) };
    });
  const kind = reader.has(contextPrimitive(0)) ? "good" : "unknown";
  if (reader.content(contextPrimitive(kind === "good" ? 0 : 2)).length !== 0)
    throw new DerError("bad-value", "A status that is a NULL has content.");
  return { kind };
}

/** RFC 6960 4.2.2.1: GeneralizedTime in the form of RFC 5280. */
function readTime(reader: DerReader): number {
  return timeOf(tags.generalizedTime, reader.content(tags.generalizedTime));
}

/** Of a responder's certificate; it issues nothing, so basicConstraints change nothing. */
const processed: ReadonlySet<string> = new Set([
  extensionTypes.keyUsage,
  extensionTypes.extKeyUsage,
  extensionTypes.basicConstraints,
]);

const maximumStatus = 6;
/** As many as anybody asks for at once. */
const maximumResponses = 64;
/** A responder and what leads to its issuer. */
const maximumCertificates = 8;
