import type { RunRecorder } from "../../knowledge/run.ts";
import type { ServerAnchors } from "../ports.ts";
import type { Bootstrap } from "./device-trust.ts";
import { known, note, recordFrame } from "./record.ts";

/** The variant of the survey that a first trust without explicit anchors makes of a run; the server cannot tell. */
export function trustVariantOf(
  operation: string,
  { kind }: ServerAnchors,
  bootstrap: Bootstrap | undefined,
): string | undefined {
  if (operation === "simplereenroll") return undefined;
  const confirmed = bootstrap === undefined ? undefined : comparisons[bootstrap.kind];
  const trust = confirmed ?? (kind === "implicit" ? "implicit" : undefined);
  if (trust === undefined) return undefined;
  // The survey declares the plain enrolment; another operation is a variant that it says nothing of.
  return operation === "simpleenroll" ? `est/${trust}` : `est/${operation}-${trust}`;
}

/** What the device trusted the server by, and where it had that from: given, shipped with the system, or confirmed by a person. */
export function recordTrust(run: RunRecorder, trust: ServerAnchors, bootstrap: Bootstrap | undefined): void {
  if (bootstrap !== undefined) {
    recordBootstrap(run, bootstrap);
  } else if (trust.kind === "implicit") {
    // Hundreds of roots are one thing that the device knows.
    note(run, "hold", known.implicitAnchors, "device");
  } else if (trust.kind === "explicit") {
    for (const anchor of trust.anchors) note(run, "hold", known.anchor, "device", anchor);
  }
}

/** RFC 7030 4.1.1: the answer came from nobody in particular, and one certificate in it was compared out of band. */
function recordBootstrap(run: RunRecorder, { kind, anchor, peer, answer }: Bootstrap): void {
  const confirmed = kind === "confirm" ? known.confirmedAnchor : known.fingerprintAnchor;
  if (kind === "fingerprint") note(run, "hold", known.fingerprint, "device");
  recordFrame(run, "bootstrap", "request", peer, 0);
  recordFrame(run, "bootstrap", "response", peer, answer.body.length, { carries: [confirmed.fact] });
  if (kind === "confirm")
    run.user({ action: "compare", who: "installer", channel: "oob.display", characters: charactersCompared });
  note(run, "learn", confirmed, "device", anchor.raw);
}

const comparisons = { confirm: "fingerprint", fingerprint: "fingerprint-preset" } as const;
/** A SHA-256 in hexadecimal digits. */
const charactersCompared = 64;
