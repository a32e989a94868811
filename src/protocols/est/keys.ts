import { base64, equal, utf8 } from "../../core/bytes.ts";
import type { ChannelBinding, Peer } from "../../core/link.ts";
import { equalSecret, sha256 } from "../../crypto/mac.ts";
import { EstRefused } from "./errors.ts";

/**
 * The channel binding of this association: tls-unique on TLS 1.2 (RFC 7030 3.5), tls-exporter on TLS 1.3 (RFC 9266),
 * where tls-unique does not exist.
 */
export function bindingType(peer: Peer): ChannelBinding {
  return peer.security?.version === "TLSv1.3" ? "tls-exporter" : "tls-unique";
}

/** The challengePassword that links a request to this association: the binding in base64. */
export function challengePassword(peer: Peer): string {
  return base64(peer.binding(bindingType(peer)));
}

/**
 * Holds the link between a request and its association against what the profile wants (RFC 7030 3.5). RFC 9266 4.1 lets a
 * binding authenticate once: the same octets may come again on the association, another linked request may not. Throws
 * EstRefused `binding-missing`, `binding-used`, `binding-at-proxy`, and what `verifyBinding` throws.
 */
export function checkBinding(
  request: { readonly raw: Uint8Array; readonly challengePassword: string | undefined },
  binding: "accepted" | "required",
  peer: Peer,
): void {
  if (request.challengePassword === undefined) {
    if (binding === "accepted") return;
    throw new EstRefused(
      "binding-missing",
      `the profile demands the ${bindingType(peer)} binding of the connection in challengePassword, and there is none`,
    );
  }
  if (peer.terminator !== undefined)
    throw new EstRefused(
      "binding-at-proxy",
      `challengePassword is there, and the connection that it would be of ended at the proxy ${peer.terminator}`,
    );
  const linked = linkedRequests.get(peer);
  const request256 = sha256(request.raw);
  if (linked !== undefined && !equal(linked, request256))
    throw new EstRefused(
      "binding-used",
      `the ${bindingType(peer)} of this connection has linked another request to it`,
    );
  verifyBinding(request.challengePassword, peer);
  linkedRequests.set(peer, request256);
}

/**
 * RFC 7030 3.5: a challengePassword that is there must be the binding. Throws EstRefused `binding-malformed` when it
 * cannot be one, `binding-wrong` when it is another association's.
 */
export function verifyBinding(presented: string, peer: Peer): void {
  const expected = challengePassword(peer);
  if (presented.length !== expected.length) {
    throw new EstRefused(
      "binding-malformed",
      `challengePassword has ${presented.length} characters, a ${bindingType(peer)} binding has ${expected.length}`,
    );
  }
  if (!equalSecret(utf8(presented), utf8(expected))) {
    throw new EstRefused("binding-wrong", `challengePassword is not the ${bindingType(peer)} of this connection`);
  }
}

/** What each association's binding has linked, by SHA-256; it goes with the association. */
const linkedRequests = new WeakMap<Peer, Uint8Array>();
