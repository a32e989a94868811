import { type DerReader, decodeDer } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { DerError } from "../encoding/errors.ts";
import { contextConstructed, tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import { type Extension, encodeExtensions, extensionValue, readExtensions } from "./extensions.ts";
import { readGeneralName } from "./general-name.ts";
import { type CertId, type CertIdHash, encodeCertId, readCertId } from "./ocsp-cert-id.ts";
import { decodingOcsp, encodingOcsp, OcspError } from "./ocsp-errors.ts";
import { ocspTypes } from "./oids.ts";

/** An OCSPRequest (RFC 6960 4.1). All bytes are views of what was parsed. */
export interface OcspRequest {
  /** The certificates that are asked for: at least one. */
  readonly certIds: readonly CertId[];
  /** 1 to 128 octets (RFC 9654 2.1). */
  readonly nonce?: Uint8Array;
  /** A signature came with it, which was not checked. */
  readonly signed: boolean;
}

/**
 * Parses an OCSPRequest in DER about at most `maximumRequests` certificates. Throws OcspError `malformed-ocsp` or
 * `critical-extension`. It does not check the signature that a request may have: the answer is public.
 */
export function parseOcspRequest(bytes: Uint8Array, maximumRequests: number): OcspRequest {
  return decodingOcsp("OCSP request", () =>
    decodeDer(bytes, (reader) =>
      reader.sequence((content) => {
        const request = content.sequence((tbsRequest) => readTbsRequest(tbsRequest, maximumRequests));
        const signed = content.has(contextConstructed(0));
        if (signed) content.explicit(0, readSignature);
        return { ...request, signed };
      }),
    ),
  );
}

/** An OCSPRequest in DER, not signed, about one certificate of `issuer`. Throws OcspError `unencodable`. */
export function buildOcspRequest({
  issuer,
  serialNumber,
  nonce,
  hash = "sha1",
}: {
  readonly issuer: Certificate;
  /** Content octets, as in `Certificate`. */
  readonly serialNumber: Uint8Array;
  /** 1 to 128 octets, 32 by RFC 9654 2.1; without one the answer may be an older one that is still current. */
  readonly nonce?: Uint8Array;
  readonly hash?: CertIdHash;
}): Uint8Array {
  return encodingOcsp("OCSP request", () =>
    der.sequence([
      der.sequence([
        der.sequence([der.sequence([encodeCertId(hash, issuer, serialNumber)])]),
        ...(nonce === undefined ? [] : [der.explicit(2, encodeExtensions([encodeNonce(nonce)]))]),
      ]),
    ]),
  );
}

/** The nonce extension of a request or of an answer (RFC 9654 2.1); throws DerError. */
export function encodeNonce(nonce: Uint8Array): Extension {
  return { type: ocspTypes.nonce, critical: false, value: der.octetString(checkedNonce(nonce)) };
}

/** The nonce of a list of extensions; undefined when it is absent. Throws PkiError `malformed-extension`. */
export function nonceOf(extensions: readonly Extension[]): Uint8Array | undefined {
  return extensionValue(extensions, ocspTypes.nonce, (reader) => checkedNonce(reader.octetString()));
}

/** Throws OcspError for an extension that is critical and not in `processed`. */
export function refuseCritical(extensions: readonly Extension[], processed: readonly string[] = []): void {
  for (const { type, critical } of extensions)
    if (critical && !processed.includes(type))
      throw new OcspError("critical-extension", `The OCSP message has the critical extension ${type}.`, {
        details: { type },
      });
}

/** RFC 6960 4.1.1 and 4.2.1: v1 is the DEFAULT and there is no other, so that DER has no version at all. */
export function refuseVersion(reader: DerReader): void {
  if (reader.has(contextConstructed(0)))
    throw new DerError("bad-value", "A version is written, and the only one is the default.");
}

function readTbsRequest(reader: DerReader, maximumRequests: number): Omit<OcspRequest, "signed"> {
  refuseVersion(reader);
  // The requestorName says who has signed, which nobody asks here.
  if (reader.has(contextConstructed(1))) reader.explicit(1, readGeneralName);
  const certIds = reader.listOf(readRequest, maximumRequests);
  if (certIds.length === 0) throw new DerError("bad-value", "The request asks for no certificate.");
  const extensions = reader.has(contextConstructed(2)) ? reader.explicit(2, readExtensions) : [];
  refuseCritical(extensions, [ocspTypes.nonce]);
  const nonce = nonceOf(extensions);
  return { certIds, ...(nonce === undefined ? {} : { nonce }) };
}

function readRequest(reader: DerReader): CertId {
  return reader.sequence((request) => {
    const certId = readCertId(request);
    if (request.has(contextConstructed(0))) refuseCritical(request.explicit(0, readExtensions));
    return certId;
  });
}

function readSignature(reader: DerReader): void {
  reader.sequence((signature) => {
    signature.raw(tags.sequence);
    signature.octetsOfBitString();
    if (signature.has(contextConstructed(0)))
      signature.explicit(0, (certs) => certs.listOf((cert) => cert.raw(tags.sequence), maximumCertificates));
  });
}

function checkedNonce(nonce: Uint8Array): Uint8Array {
  // RFC 9654 2.1: SIZE (1..128), and a responder must refuse all else as malformed.
  if (nonce.length === 0 || nonce.length > maximumNonceOctets)
    throw new DerError("bad-value", `The nonce does not have 1 to ${maximumNonceOctets} octets.`);
  return nonce;
}

const maximumNonceOctets = 128;
/** A signer and what leads to its root. */
const maximumCertificates = 8;
