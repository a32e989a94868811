import { equal } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { digest } from "../../crypto/digest.ts";
import type { Certificate } from "../../pki/certificate.ts";
import type { HttpResponse } from "../../transport/http/message.ts";
import type { ServerAnchors } from "../ports.ts";
import { acceptAuthorities, newestRoot } from "./accept.ts";
import type { EstDeviceEnv, EstDeviceSettings, EstTrust } from "./device-env.ts";
import { EstFailed } from "./errors.ts";
import { decodeResponse, encodeRequest } from "./http.ts";

/** How the server of a run is trusted, and how it came to that. */
export interface EstablishedTrust {
  readonly anchors: ServerAnchors;
  readonly bootstrap?: Bootstrap;
}

/** What the device did to trust a server for the first time (RFC 7030 4.1.1). */
export interface Bootstrap {
  readonly kind: "fingerprint" | "confirm";
  /** The CA certificate that was compared. */
  readonly anchor: Certificate;
  /** The end that answered, which nobody had authenticated. */
  readonly peer: Peer;
  readonly answer: HttpResponse;
}

/**
 * The anchors of this run. A device that has explicit ones already uses these, whatever it was to trust at first: so implicit
 * anchors are out of use for this server (RFC 7030 4.1.3), and nobody is asked twice. A fingerprint that none of them has is followed
 * as long as there is no certificate. Throws EstFailed `fingerprint-not-found`, `fingerprint-not-kept`, `fingerprint-declined`, or what is wrong with the CA certificates.
 */
export async function establishTrust(settings: EstDeviceSettings, env: EstDeviceEnv): Promise<EstablishedTrust> {
  const { trust } = settings.server;
  // Nobody behind the key's port has a certificate, so what was trusted before helps nothing there.
  if (trust.kind === "explicit" || trust.kind === "psk") return { anchors: trust };
  const kept = await env.storage.anchors();
  // What is pinned now is right, and not what was trusted once: nothing goes to a server of another CA.
  if (trust.kind === "fingerprint" && kept?.some((anchor) => hasFingerprint(anchor, trust.fingerprint)) === false) {
    if ((await env.storage.credential()) === undefined) return bootstrap(settings, trust, env);
    throw new EstFailed(
      "fingerprint-not-kept",
      "none of the anchors that the device keeps with its certificate has the given fingerprint; renew without one if the CA has rolled over, or begin anew in another directory",
    );
  }
  if (kept !== undefined) return { anchors: { kind: "explicit", anchors: kept } };
  if (trust.kind === "implicit") return { anchors: trust };
  return bootstrap(settings, trust, env);
}

/** RFC 7030 3.3.3 demands resistance to dictionaries. 32 random octets are text about once in 10^13. */
export function isGuessable(key: Uint8Array): boolean {
  return key.length < 32 || key.every((octet) => octet >= 0x20 && octet < 0x7f) || new Set(key).size < 8;
}

/**
 * RFC 7030 4.1.1: cacerts, and nothing else, from whoever answers; then the CA certificate is held against what is known out of
 * band. The association has ended before: the next one is a new one, under the anchor.
 */
async function bootstrap(
  { server }: EstDeviceSettings,
  trust: Extract<EstTrust, { readonly kind: "fingerprint" | "confirm" }>,
  env: EstDeviceEnv,
): Promise<EstablishedTrust> {
  const { host, port, label } = server;
  const { path } = encodeRequest("cacerts", label, undefined, undefined);
  const { peer, answer } = await env.fetchUnauthenticated({ host, port, path }, env.signal);
  const response = decodeResponse("cacerts", answer, env.clock.now());
  const published = response.kind === "certificates" ? response.certificates : [];
  const anchor = await (trust.kind === "fingerprint"
    ? anchorWith(trust.fingerprint, published)
    : confirmedAnchor(trust.confirm, published));
  // 4.1.3: the others have to lead to it before they are used.
  const accepted = acceptAuthorities(published, [anchor.raw], env.clock.now());
  const anchors = accepted.anchors.map(({ raw }) => raw);
  await env.storage.saveAnchors(anchors);
  return { anchors: { kind: "explicit", anchors }, bootstrap: { kind: trust.kind, anchor, peer, answer } };
}

function anchorWith(fingerprint: Uint8Array, published: readonly Certificate[]): Certificate {
  const anchor = published.find(({ raw }) => hasFingerprint(raw, fingerprint));
  if (anchor !== undefined) return anchor;
  throw new EstFailed(
    "fingerprint-not-found",
    "the server publishes no CA certificate with this fingerprint: it is not the right server, or the fingerprint is not of its CA's certificate",
  );
}

function hasFingerprint(certificate: Uint8Array, fingerprint: Uint8Array): boolean {
  return [digest("sha256", certificate), digest("sha512", certificate)].some((each) => equal(each, fingerprint));
}

async function confirmedAnchor(
  confirm: Extract<EstTrust, { readonly kind: "confirm" }>["confirm"],
  published: readonly Certificate[],
): Promise<Certificate> {
  const anchor = newestRoot(published);
  const certificate = anchor.raw;
  // Anything but true is a no, for callers without types too.
  if (
    (await confirm({ certificate, sha256: digest("sha256", certificate), sha512: digest("sha512", certificate) })) ===
    true
  )
    return anchor;
  throw new EstFailed(
    "fingerprint-declined",
    "the fingerprint of the server's CA was not confirmed, so the device trusts nobody; compare it with the server's operator",
  );
}
