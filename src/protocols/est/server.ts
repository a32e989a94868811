import type { Peer } from "../../core/link.ts";
import type { Responder } from "../ports.ts";
import { EstRefused } from "./errors.ts";
import type { EstReply, EstRequest } from "./messages.ts";
import { recordFrame } from "./record.ts";
import { cacerts } from "./server-cacerts.ts";
import { csrattrs } from "./server-csrattrs.ts";
import { enroll } from "./server-enroll.ts";
import { fullcmc } from "./server-fullcmc.ts";
import { recordAssociation, refused, stranger } from "./server-reply.ts";
import { type EstSession, sessionName } from "./session.ts";

/** The EST server of RFC 7030 section 4, an RA in front of the tenant's CA. */
export const estServer: Responder<EstRequest, EstSession, EstReply> = {
  session: sessionName,
  async step(session, event, ports) {
    if (event.kind !== "message") return { next: "keep", writes: [], outputs: [] };
    const { message, peer } = event;
    switch (message.kind) {
      case "cacerts":
        return cacerts(message, peer, ports);
      case "csrattrs":
        return csrattrs(message, peer, ports);
      case "fullcmc":
        return fullcmc(session, message, peer, ports);
      case "malformed":
        // RFC 7030 4.3.2: its refusals are messages of CMC; a challenge to who has sent nothing is HTTP's.
        if (message.operation === "fullcmc" && refusalOf(message, peer) === message.refusal)
          return fullcmc(session, message, peer, ports);
        recordAssociation(peer, await ports.issuer.issuers(), ports);
        recordFrame(ports.run, message.operation, "request", peer, message.bytes);
        return refused(refusalOf(message, peer), stranger, message.operation, peer, ports);
      default:
        return enroll(session, message, peer, ports);
    }
  },
};

/** A client that shows nothing and sends nothing wants to be challenged first, as `curl --digest` does (RFC 9110 11.4). */
function refusalOf({ refusal, nothing }: EstRequest & { readonly kind: "malformed" }, peer: Peer): EstRefused {
  return nothing === true && peer.chain.length === 0 && peer.pskIdentity === undefined
    ? new EstRefused("credentials-missing", "neither a request nor a credential came")
    : refusal;
}
