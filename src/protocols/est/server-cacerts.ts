import type { Peer } from "../../core/link.ts";
import type { Ports } from "../ports.ts";
import { EstRefused } from "./errors.ts";
import { type EstRequest, encodeCertificates } from "./messages.ts";
import { requireProfile } from "./profile.ts";
import { known, recordFrame } from "./record.ts";
import { recordAssociation, refused, stranger } from "./server-reply.ts";
import type { EstStep } from "./session.ts";

/** The CA's certificates (RFC 7030 4.1); nobody is authenticated for them. */
export async function cacerts(request: EstRequest, peer: Peer, ports: Ports): Promise<EstStep> {
  try {
    await requireProfile(request, ports);
  } catch (error) {
    if (!(error instanceof EstRefused)) throw error;
    recordAssociation(peer, await ports.issuer.issuers(), ports);
    recordFrame(ports.run, "cacerts", "request", peer, 0);
    return refused(error, stranger, "cacerts", peer, ports);
  }
  const authorities = await ports.issuer.authorities();
  const certificates = authorities.map((authority) => authority.raw);
  recordAssociation(peer, await ports.issuer.issuers(), ports);
  recordFrame(ports.run, "cacerts", "request", peer, 0);
  recordFrame(ports.run, "cacerts", "response", peer, encodeCertificates(certificates, "line").length, {
    carries: [known.domainAnchor.fact, known.anchor.fact],
    decoded: { certificates: certificates.length },
  });
  return { next: "keep", writes: [], outputs: [{ kind: "send", reply: { kind: "certificates", certificates } }] };
}
