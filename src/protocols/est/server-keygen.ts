import { base64, fromBase64 } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { buildCertificationRequest, type CertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import type { CertificateProfile, Ports } from "../ports.ts";
import { keptKeyLifetime } from "./constants.ts";
import { EstRefused } from "./errors.ts";
import { enveloped, type KeyProtection } from "./key-protection.ts";
import type { DeliveredKey } from "./messages.ts";
import { known, note } from "./record.ts";
import type { EstSession, KeptKey, WaitingKey } from "./session.ts";
import type { CertifiedNames } from "./subject.ts";

/** A key pair that was made for a device, and how it will be sent. */
export interface MadeKey {
  /** PKCS #8 in DER. */
  readonly privateKey: Uint8Array;
  /** Signed with the key itself: an authority behind this one is given a proof of possession. */
  readonly request: CertificationRequest;
  /** Undefined when TLS alone keeps it secret. */
  readonly protection: KeyProtection | undefined;
}

/**
 * Whether keys are made under this profile, and may be sent over this association. Throws EstRefused `server-key-not-offered` or
 * `channel-not-confidential`.
 */
export function requireServerKey({ name, serverKey }: CertificateProfile, { security, terminator }: Peer): void {
  if (serverKey === "none") throw new EstRefused("server-key-not-offered", `the profile ${name} makes no keys`);
  // RFC 7030 4.4: a suite with NULL would show the key to all. The listeners offer none; behind a proxy nobody can tell.
  if (security === undefined || security.cipherSuite.includes("NULL") || terminator !== undefined)
    throw new EstRefused("channel-not-confidential", "a private key was asked for where TLS does not keep it secret");
}

/**
 * The key of a request that waited for its certificate, or a new one of the profile's kind, for which `source` waits its turn.
 * Throws `overloaded`.
 */
export async function makeKey(
  session: EstSession | undefined,
  { serverKey }: CertificateProfile,
  { subject, subjectAltName }: CertifiedNames,
  protection: KeyProtection | undefined,
  source: string,
  { deviceKeys, run }: Ports,
): Promise<MadeKey> {
  const waiting = session?.kind === "waiting" ? session.key : undefined;
  if (waiting !== undefined) {
    const request = parseCertificationRequest(bytesOf(waiting.request));
    return { privateKey: bytesOf(waiting.privateKey), request, protection };
  }
  if (serverKey === "none") throw new EstRefused("server-key-not-offered", "the profile makes no keys");
  const { signer, privateKey } = await deviceKeys.generate(serverKey, source);
  const purpose = "key of the device";
  run.operation({ operation: "keygen", algorithm: serverKey, role: "coordinator", purpose, evidence: "counted" });
  // Known by its public half: nothing of the private one is in the ledger, no fingerprint either.
  note(run, "derive", known.serverKey, "coordinator", signer.publicKey);
  const extensions = subjectAltName === undefined ? [] : [subjectAltName];
  const request = parseCertificationRequest(await buildCertificationRequest({ subject, signer, extensions }));
  return { privateKey, request, protection };
}

/** A key as it is sent: in CMS when that was asked for, else as it is. */
export async function delivered({ privateKey, protection }: MadeKey, ports: Ports): Promise<DeliveredKey> {
  if (protection === undefined) return { form: "pkcs8", bytes: privateKey };
  return { form: "enveloped", bytes: await enveloped(privateKey, protection, ports) };
}

/** What is kept of a key until its certificate comes. */
export function waitingKey({ privateKey, request }: MadeKey): WaitingKey {
  return { privateKey: base64(privateKey), request: base64(request.raw) };
}

/** What is kept for a device that has not got the answer: of an encrypted key nothing that this service could read. */
export function keptKey({ form, bytes }: DeliveredKey): KeptKey {
  return { form, bytes: base64(bytes) };
}

/** Until when an answer with a key can be asked for again. */
export function keptUntil(notAfter: number, now: number): number {
  return Math.min(notAfter, now + keptKeyLifetime);
}

/** The key of an answer that is given again. */
export function keyAgain({ form, bytes }: KeptKey): DeliveredKey {
  return { form, bytes: bytesOf(bytes) };
}

function bytesOf(kept: string): Uint8Array {
  return fromBase64(kept) ?? new Uint8Array(0);
}
