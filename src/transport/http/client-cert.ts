import { fromBase64 } from "../../core/bytes.ts";
import { fieldValues, type Headers } from "./message.ts";
import { Refusal } from "./refusals.ts";

/**
 * The client's certificates as a proxy that ended TLS passes them on (RFC 9440 2.2, 2.3): the client's own in Client-Cert, its
 * issuers in Client-Cert-Chain. Empty when the client sent none. Nothing in them is validated, and who wrote the fields is for
 * the caller to know.
 *
 * Throws a Refusal `client-cert-malformed`.
 */
export function forwardedChain(headers: Headers): readonly Uint8Array[] {
  const own = fieldValues(headers, "client-cert");
  const issuers = fieldValues(headers, "client-cert-chain").join(",");
  const parts = issuers.trim() === "" ? [] : issuers.split(",");
  // Section 2.4: the chain does not come without the certificate that it belongs to.
  if (own.length > 1 || (own.length === 0 && parts.length > 0) || parts.length > mostIssuers)
    throw new Refusal("client-cert-malformed");
  return [...own, ...parts].map(byteSequence);
}

/** Refuses a request that says by itself what only a listed proxy may say; throws a Refusal `client-cert-unexpected`. */
export function refuseForwardedChain(headers: Headers): void {
  for (const [name] of headers) if (/^client-cert(?:-chain)?$/i.test(name)) throw new Refusal("client-cert-unexpected");
}

/** A byte sequence of structured fields (RFC 8941 3.3.5), for which RFC 9440 knows no parameters. */
function byteSequence(text: string): Uint8Array {
  const [, content = ""] = /^[ \t]*:([A-Za-z0-9+/]+={0,2}):[ \t]*$/.exec(text) ?? [];
  const bytes = fromBase64(content);
  if (bytes === undefined || bytes.length === 0) throw new Refusal("client-cert-malformed");
  return bytes;
}

/** More than any device's chain; the header's own limit bounds their size. */
const mostIssuers = 8;
