import { X509Certificate } from "node:crypto";
import { type ConnectionOptions, getCACertificates } from "node:tls";
import { view } from "../../core/bytes.ts";
import { codeOf, HatcheryError } from "../../core/errors.ts";
import { parseCertificate } from "../../pki/certificate.ts";
import { matchesHostName } from "../../pki/host-name.ts";
import { reasonOf, TransportError } from "../errors.ts";
import { type PreSharedKey, pskOptions } from "./psk.ts";

/** A certificate in PEM or DER. */
export type Certificate = string | Uint8Array;

/** What makes a server acceptable; the system's own roots do only when they are given. */
export type ServerTrust =
  | {
      readonly kind: "anchors";
      /** Each is an anchor in its own right, self-signed or not. */
      readonly anchors: readonly Certificate[];
      /**
       * Asked when the certificate is trusted but has another name: true accepts it all the same. RFC 7030 section 3.6.1
       * wants this for an EST CA's own id-kp-cmcRA certificate.
       */
      readonly acceptOtherName?: (certificate: Uint8Array) => boolean;
    }
  /** Roots that vouch for names: the name is all that tells this server from any other, so nothing stands for it (RFC 7030 3.6.2). */
  | { readonly kind: "implicit"; readonly anchors: readonly Certificate[] }
  /** Whoever holds this key, and no certificate (RFC 7030 3.3.3). */
  | ({ readonly kind: "psk" } & PreSharedKey)
  /** Any certificate: the caller authenticates the server later (RFC 7030 section 4.1.1, RFC 8995 section 5.1). */
  | { readonly kind: "provisional" };

/** The TLS options for `trust`; throws `unusable-credential` for an anchor that is no certificate. */
export function trustOptions(trust: ServerTrust): ConnectionOptions {
  if (trust.kind === "provisional") return { ca: [], rejectUnauthorized: false };
  if (trust.kind === "psk") return pskOptions(trust);
  const acceptOtherName = trust.kind === "anchors" ? trust.acceptOtherName : undefined;
  return {
    ca: trust.anchors.map(pemOf),
    // An anchor is a key and a name (RFC 5280 section 6.1.1 d); without this OpenSSL goes on to look for a self-signed one.
    allowPartialTrustChain: true,
    rejectUnauthorized: true,
    checkServerIdentity: (host, { raw }) => (isAccepted(raw, host, acceptOtherName) ? undefined : nameMismatch(host)),
  };
}

/** The roots of the operating system, or those that came with Node, in DER: implicit anchors. */
export function shippedAnchors(store: "system" | "bundled"): readonly Uint8Array[] {
  return getCACertificates(store).map((pem) => new X509Certificate(pem).raw);
}

/** By RFC 9525, and not as Node does it, which falls back on the common name and lets a wildcard be a part of a label. */
function isAccepted(
  certificate: Uint8Array,
  host: string,
  acceptOtherName: ((certificate: Uint8Array) => boolean) | undefined,
): boolean {
  try {
    return matchesHostName(parseCertificate(certificate), host) || acceptOtherName?.(certificate) === true;
  } catch (error) {
    // What OpenSSL reads and we do not has no name; an exception in this callback would end the process.
    if (error instanceof HatcheryError) return false;
    throw error;
  }
}

function nameMismatch(host: string): TransportError {
  return new TransportError(
    "name-mismatch",
    `The server's certificate is not for ${host}; connect by a name in its subjectAltName, or give the server a certificate for this one.`,
  );
}

/** One certificate in PEM; throws `unusable-credential`. */
export function pemOf(certificate: Certificate): string {
  try {
    return new X509Certificate(typeof certificate === "string" ? certificate : view(certificate)).toString();
  } catch (cause) {
    throw new TransportError(
      "unusable-credential",
      "A trust anchor or certificate is not a certificate in PEM or DER.",
      {
        cause,
      },
    );
  }
}

/** What a failed TLS handshake with `host` means: `server-not-trusted`, `name-mismatch` or `handshake-failed`. */
export function handshakeError(cause: unknown, host: string): TransportError {
  const code = codeOf(cause);
  if (cause instanceof TransportError) return cause;
  const sentence = Object.hasOwn(verifySentences, code) ? verifySentences[code] : undefined;
  if (sentence !== undefined) return new TransportError("server-not-trusted", sentence, { cause, details: { host } });
  if (isVerifyError(cause))
    return new TransportError(
      "server-not-trusted",
      `The server's certificate is not acceptable: ${reasonOf(cause)}; give the server another one.`,
      { cause, details: { host } },
    );
  // What OpenSSL says of an answer that is no TLS record.
  const plain = code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG";
  const why = plain ? "this port does not speak TLS; name another one" : reasonOf(cause);
  return new TransportError("handshake-failed", `The TLS handshake with ${host} failed: ${why}.`, {
    cause,
  });
}

// Node gives the errors of OpenSSL's verification their X509_V_ERR name as code; errors of the protocol are ERR_* or E*.
function isVerifyError(cause: unknown): boolean {
  const code = codeOf(cause);
  return /^[A-Z0-9_]+$/.test(code) && code.includes("_") && !code.startsWith("ERR_");
}

const unknownIssuer =
  "The server's certificate does not lead to one of the trust anchors; install the server's CA certificate as an anchor, or check that this is the right server.";

const verifySentences: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "A certificate of the server has expired; renew it, or correct this machine's clock.",
  CERT_NOT_YET_VALID:
    "A certificate of the server is not valid yet; correct the clock of this machine or of the server.",
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownIssuer,
  SELF_SIGNED_CERT_IN_CHAIN: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer,
};
