import { concat, hex } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { sha256 } from "../../crypto/mac.ts";
import { extensionOf } from "../../pki/extensions.ts";
import { extensionTypes } from "../../pki/oids.ts";
import type { Step } from "../ports.ts";
import { presentedCredential } from "./authenticate.ts";
import type { EnrollRequest, EstReply, EstRequest } from "./messages.ts";

/**
 * What the server keeps of one client's request, named by operation, presented credential and public key: the same
 * request gets the same certificate until it expires, so a reply that was lost can be asked for again.
 */
export type EstSession =
  /** `names`: hash of what is asked for, so that a person's yes to one name is none to another. */
  | { readonly kind: "waiting"; readonly names: string }
  | { readonly kind: "granted"; readonly certificate: string; readonly run: string };

export type EstStep = Step<EstSession, EstReply>;

/** Name of the session that a request belongs to; undefined for anonymous reads. */
export function sessionName(request: EstRequest, peer: Peer): string | undefined {
  if (request.kind === "cacerts" || request.kind === "malformed") return undefined;
  const key = hex(sha256(request.csr.subjectPublicKeyInfo));
  return [request.kind, request.label ?? "", presentedCredential(request, peer), key].join("|");
}

/** Hash of the names that a request asks to be certified. */
export function namesAsked({ csr }: EnrollRequest): string {
  const subjectAltName = extensionOf(csr.extensionRequest, extensionTypes.subjectAltName);
  return hex(sha256(concat([csr.subject.raw, subjectAltName?.value ?? new Uint8Array(0)])));
}
