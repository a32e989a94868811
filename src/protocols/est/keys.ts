import { base64, utf8 } from "../../core/bytes.ts";
import type { ChannelBinding, Peer } from "../../core/link.ts";
import { equalSecret } from "../../crypto/mac.ts";
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
