import { encodeAuthorityInfoAccess, encodeCrlDistributionPoint } from "../pki/access-extensions.ts";
import type { Extension } from "../pki/extensions.ts";
import { ServiceError } from "./errors.ts";

/** The first segment of the paths at which the publication listener serves what; certificates name them. */
export const publicationPaths = { crl: "crl", ocsp: "ocsp", authority: "ca" } as const;

/**
 * The public base URL that an operator has given, without a slash at its end. Throws `invalid` unless it is plain HTTP: over
 * HTTPS a client would have to ask for the status of one certificate to learn that of another (RFC 5280 8).
 */
export function publicationUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "http:" || url.search !== "" || url.hash !== "" || url.username !== "")
    throw new ServiceError(
      "invalid",
      `CRLs cannot be published at ${text}; give a URL such as http://pki.example: not https, and without user or query`,
    );
  return url.href.replace(/\/+$/, "");
}

/** The host name of a base URL, or its address without brackets. */
export function publicationHost(base: string): string {
  return new URL(base).hostname.replace(/^\[|\]$/g, "");
}

/** What a certificate of the tenant's `authority` says about where its CRL, its OCSP responder and its issuer are found. */
export function publicationExtensions(base: string, tenant: string, authority: string): readonly Extension[] {
  const url = (...path: readonly string[]) => [base, ...path.map(encodeURIComponent)].join("/");
  return [
    encodeCrlDistributionPoint(url(publicationPaths.crl, tenant, `${authority}.crl`)),
    encodeAuthorityInfoAccess({
      ocsp: url(publicationPaths.ocsp, tenant),
      caIssuers: url(publicationPaths.authority, tenant, `${authority}.cer`),
    }),
  ];
}
