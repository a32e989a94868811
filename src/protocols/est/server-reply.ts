import type { Peer } from "../../core/link.ts";
import type { Certificate } from "../../pki/certificate.ts";
import type { Ports } from "../ports.ts";
import { presentedKind } from "./authenticate.ts";
import { type EstRefused, refusals } from "./errors.ts";
import type { EnrollRequest } from "./messages.ts";
import { carriedByHandshake, recordFrame, recordHandshake } from "./record.ts";
import type { EstStep } from "./session.ts";

/** What lists call a client of whom nothing is known. */
export const stranger = { label: "unknown device", known: false };

/** The association's handshake, once for each run. */
export function recordAssociation(
  peer: Peer,
  issuers: readonly Certificate[],
  ports: Ports,
  request?: EnrollRequest,
): void {
  if (ports.run.begun) return;
  const carries = carriedByHandshake(presentedKind(peer, issuers, request));
  recordHandshake(ports.run, peer, "coordinator", peer.chain, carries);
}

/** Refuses a request: the peer gets what the table says of the code, the run keeps the reason. */
export function refused(
  error: EstRefused,
  { label, known }: { readonly label: string; readonly known: boolean },
  operation: string,
  peer: Peer,
  ports: Ports,
): EstStep {
  recordFrame(ports.run, operation, "refusal", peer, 0, { decoded: { status: refusals[error.code].status } });
  ports.run.error(error, "sent", error.message);
  const { code, from } = error;
  const reason = from === undefined ? code : `${code}: not before ${new Date(from).toISOString()}`;
  return {
    next: refusals[code].endsSession ? undefined : "keep",
    writes: [],
    outputs: [
      { kind: "send", reply: { kind: "refused", refusal: code, ...(from === undefined ? {} : { from }) } },
      { kind: "done" },
    ],
    run: { outcome: "refused", reason, label, byStranger: !known },
  };
}
