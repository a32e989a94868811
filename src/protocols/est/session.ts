import { concat, hex, utf8 } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { sha256 } from "../../crypto/mac.ts";
import { extensionOf } from "../../pki/extensions.ts";
import { extensionTypes, requestAttributes } from "../../pki/oids.ts";
import type { Step } from "../ports.ts";
import { presentedCredential } from "./authenticate.ts";
import type { EnrollRequest, EstReply, EstRequest } from "./messages.ts";

/**
 * What the server keeps of one client's request, named by operation, presented credential and public key: the same
 * request gets the same certificate until it expires, so a reply that was lost can be asked for again.
 */
export type EstSession =
  /** `names`: hash of what is asked for, so that a person's yes to one name is none to another. */
  | { readonly kind: "waiting"; readonly names: string; readonly key?: WaitingKey }
  | { readonly kind: "granted"; readonly certificate: string; readonly run: string; readonly key?: KeptKey };

/** A key pair that the server has made and nobody has certified yet, all in base64. */
export interface WaitingKey {
  readonly privateKey: string;
  readonly request: string;
}

/** A private key as it was sent, in base64: with `enveloped` a CMS message that only the device can open. */
export interface KeptKey {
  readonly form: "pkcs8" | "enveloped";
  readonly bytes: string;
}

export type EstStep = Step<EstSession, EstReply>;

/** Name of the session that a request belongs to; undefined for anonymous reads. */
export function sessionName(request: EstRequest, peer: Peer): string | undefined {
  if (request.kind === "cacerts" || request.kind === "csrattrs" || request.kind === "malformed") return undefined;
  const key = request.kind === "serverkeygen" ? askedFor(request) : hex(sha256(request.csr.subjectPublicKeyInfo));
  return [request.kind, request.label ?? "", presentedCredential(request, peer), key].join("|");
}

/**
 * Hash of a request without its channel binding. Its key, of which nobody has to prove possession, tells one request from another
 * and no more (RFC 7030 4.4.1): with other names or for another recipient it is another request.
 */
function askedFor({ csr }: EnrollRequest): string {
  const others = csr.attributes.filter(({ type }) => type !== requestAttributes.challengePassword);
  const parts = [
    csr.subject.raw,
    csr.subjectPublicKeyInfo,
    ...others.flatMap(({ values }) => values.map(({ raw }) => raw)),
  ];
  return hex(sha256(concat([...parts, utf8(others.map(({ type, values }) => `${type} ${values.length}`).join())])));
}

/** Hash of the names that a request asks to be certified. */
export function namesAsked({ csr }: EnrollRequest): string {
  const subjectAltName = extensionOf(csr.extensionRequest, extensionTypes.subjectAltName);
  const changes = csr.attributes.find(({ type }) => type === requestAttributes.changeSubjectName)?.values ?? [];
  const next = changes.map(({ raw }) => raw);
  return hex(sha256(concat([csr.subject.raw, subjectAltName?.value ?? new Uint8Array(0), ...next])));
}
