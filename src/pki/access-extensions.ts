import type { DerReader } from "../encoding/der.ts";
import * as der from "../encoding/der-writer.ts";
import { contextConstructed, contextPrimitive } from "../encoding/tags.ts";
import { encoding } from "./errors.ts";
import { type Extension, extensionValue } from "./extensions.ts";
import { encodeGeneralName, type GeneralName, readGeneralName, readGeneralNames } from "./general-name.ts";
import { accessMethods, extensionTypes } from "./oids.ts";

/** The extensions that say where more about a certificate is found: its CRL, its OCSP responder, its issuer. */

/** A DistributionPoint (RFC 5280 4.2.1.13). */
export interface DistributionPoint {
  /** The fullName; undefined when there is none, or a name relative to the issuer's. */
  readonly fullName: readonly GeneralName[] | undefined;
  /** The list there is about some reasons only, or of another issuer: it does not speak for the certificate by itself. */
  readonly partial: boolean;
}

/** The cRLDistributionPoints; undefined when absent; throws PkiError `malformed-extension`. It does not look at the names. */
export function crlDistributionPointsOf(extensions: readonly Extension[]): readonly DistributionPoint[] | undefined {
  return extensionValue(extensions, extensionTypes.cRLDistributionPoints, (reader) =>
    reader.listOf(readDistributionPoint, maximumPoints),
  );
}

/** One distribution point with one URI, not critical (RFC 5280 4.2.1.13). Throws PkiError `unencodable`. */
export function encodeCrlDistributionPoint(uri: string): Extension {
  const value = encoding("cRLDistributionPoints", () =>
    der.sequence([der.sequence([der.explicit(0, der.implicit(0, der.sequence([encodeUri(uri)])))])]),
  );
  return { type: extensionTypes.cRLDistributionPoints, critical: false, value };
}

/** An AccessDescription (RFC 5280 4.2.2.1). */
export interface AccessDescription {
  /** Of `accessMethods`, or another in dotted form. */
  readonly accessMethod: string;
  readonly accessLocation: GeneralName;
}

/** The authorityInfoAccess; undefined when absent; throws PkiError `malformed-extension`. It does not look at the names. */
export function authorityInfoAccessOf(extensions: readonly Extension[]): readonly AccessDescription[] | undefined {
  return extensionValue(extensions, extensionTypes.authorityInfoAccess, (reader) =>
    reader.listOf(readAccessDescription, maximumPoints),
  );
}

/** URIs of the OCSP responder and of the issuer's certificate, not critical (RFC 5280 4.2.2.1). Throws PkiError `unencodable`. */
export function encodeAuthorityInfoAccess({
  ocsp,
  caIssuers,
}: {
  readonly ocsp: string;
  readonly caIssuers: string;
}): Extension {
  const description = (method: string, uri: string) => der.sequence([der.objectIdentifier(method), encodeUri(uri)]);
  const value = encoding("authorityInfoAccess", () =>
    der.sequence([description(accessMethods.ocsp, ocsp), description(accessMethods.caIssuers, caIssuers)]),
  );
  return { type: extensionTypes.authorityInfoAccess, critical: false, value };
}

function readDistributionPoint(reader: DerReader): DistributionPoint {
  return reader.sequence((point) => {
    const fullName = point.has(contextConstructed(0)) ? point.explicit(0, readDistributionPointName) : undefined;
    const partial = point.has(contextPrimitive(1)) || point.has(contextConstructed(2));
    if (point.has(contextPrimitive(1))) point.bitString(contextPrimitive(1));
    if (point.has(contextConstructed(2))) readGeneralNames(point, contextConstructed(2));
    return { fullName, partial };
  });
}

function readDistributionPointName(reader: DerReader): readonly GeneralName[] | undefined {
  if (reader.has(contextConstructed(0))) return readGeneralNames(reader, contextConstructed(0));
  // nameRelativeToCRLIssuer, which RFC 5280 4.2.1.13 tells CAs not to use.
  reader.raw(contextConstructed(1));
  return undefined;
}

function readAccessDescription(reader: DerReader): AccessDescription {
  return reader.sequence((description) => ({
    accessMethod: description.objectIdentifier(),
    accessLocation: readGeneralName(description),
  }));
}

function encodeUri(uri: string): Uint8Array {
  return encodeGeneralName({ kind: "uniformResourceIdentifier", text: uri });
}

/** Certificates have one or two. */
const maximumPoints = 16;
