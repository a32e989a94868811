import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { codeOf } from "../core/errors.ts";
import type { Write } from "../core/write.ts";
import { sha256 } from "../crypto/mac.ts";
import { decodePem } from "../encoding/pem.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { each } from "../store/paging.ts";
import type { IssuedCertificate } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import type { OperatorReason } from "./ca-reasons.ts";
import { ServiceError } from "./errors.ts";
import { requireDevice } from "./inventory.ts";

/** Which certificates: one by its serial number or by itself, or all that a device has and could use. */
export type Revocable =
  | { readonly kind: "serial"; readonly serial: string }
  | { readonly kind: "pem"; readonly pem: string }
  | { readonly kind: "device"; readonly device: string };

interface Acting {
  readonly tenant: string;
  readonly actor: string;
  readonly store: Store;
  readonly clock: Clock;
}

/**
 * Revokes certificates in one commit and answers which; for keyCompromise their keys get no other certificate. A certificate on hold can be revoked for good. Throws `not-found`,
 * `invalid`, and `conflict` for what is revoked already.
 */
export async function revoke(
  acting: Acting,
  which: Revocable,
  reason: OperatorReason,
): Promise<readonly IssuedCertificate[]> {
  const { tenant, store, clock } = acting;
  const found = which.kind === "device" ? await currentOf(acting, which.device) : [await requireOne(acting, which)];
  const at = clock.now();
  const writes = found.flatMap((certificate): readonly Write[] => {
    const { authority, serial, revocation } = certificate;
    // RFC 5280 5.3.1: of an operator's reasons this one alone speaks of the key.
    const key = reason === "keyCompromise" ? keyOf(certificate) : undefined;
    const revoked = store.authorities.revoke(tenant, authority, serial, at, reason, key);
    if (revocation === undefined) return [revoked];
    if (revocation.reason !== "certificateHold" || reason === "certificateHold") throw alreadyRevoked(certificate);
    return [store.authorities.unrevoke(tenant, authority, serial), revoked];
  });
  await commit(acting, "revoke", found, writes, { reason });
  return found;
}

/** Lifts the hold (RFC 5280 5.3.1) of the certificate with a serial number. Throws `not-found`, `invalid`, and `conflict` for any other revocation, and for none. */
export async function unrevoke(acting: Acting, given: string): Promise<IssuedCertificate> {
  const found = await bySerial(acting, given);
  const { authority, serial, revocation } = found;
  if (revocation?.reason !== "certificateHold")
    throw new ServiceError(
      "conflict",
      revocation === undefined
        ? `the certificate ${serial} is not revoked`
        : `the certificate ${serial} was revoked for ${revocation.reason}, which is for good; only certificateHold can be lifted`,
    );
  await commit(acting, "unrevoke", [found], [acting.store.authorities.unrevoke(acting.tenant, authority, serial)], {});
  return found;
}

async function commit(
  { tenant, actor, store, clock }: Acting,
  action: string,
  certificates: readonly IssuedCertificate[],
  writes: readonly Write[],
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  const [first] = certificates;
  const serials = certificates.map(({ serial }) => serial);
  const device = first?.device === undefined ? {} : { device: first.device };
  const line = { tenant, at: clock.now(), actor, action, subject: first?.subject ?? "" };
  try {
    await store.commit([...writes, store.audit.append({ ...line, detail: { serials, ...device, ...detail } })]);
  } catch (cause) {
    if (codeOf(cause) !== "guard-lost") throw cause;
    throw new ServiceError("conflict", "somebody else changed the certificate in the meantime; look at it again", {
      cause,
    });
  }
}

async function currentOf({ tenant, store, clock }: Acting, name: string): Promise<readonly IssuedCertificate[]> {
  const device = await requireDevice(store, tenant, name);
  const filter = { device: device.id, revoked: false, endsFrom: clock.now() };
  const current: IssuedCertificate[] = [];
  for await (const certificate of each((page) => store.authorities.certificates(tenant, filter, page)))
    current.push(certificate);
  if (current.length > 0) return current;
  throw new ServiceError(
    "conflict",
    `the device ${device.name} has no certificate that is neither revoked nor expired`,
  );
}

async function requireOne(acting: Acting, which: Exclude<Revocable, { kind: "device" }>): Promise<IssuedCertificate> {
  return which.kind === "pem" ? byPem(acting, which.pem) : bySerial(acting, which.serial);
}

async function bySerial({ tenant, store }: Acting, given: string): Promise<IssuedCertificate> {
  // As openssl, browsers and this program write them.
  const serial = given.replaceAll(/[\s:]/g, "").toLowerCase();
  if (!/^(?:[0-9a-f]{2}){1,21}$/.test(serial))
    throw new ServiceError("invalid", `"${given.slice(0, 80)}" is not a serial number in hexadecimal digits`);
  const [found, second] = await store.authorities.certificatesBySerial(tenant, serial);
  if (found === undefined)
    throw new ServiceError(
      "not-found",
      `no certificate has the serial number ${serial}; list them with: hatchery ca certificates`,
    );
  if (second !== undefined)
    throw new ServiceError(
      "conflict",
      `two CAs have issued the serial number ${serial}: ${found.authority} and ${second.authority}; give the certificate's file instead`,
    );
  return found;
}

async function byPem({ tenant, store }: Acting, pem: string): Promise<IssuedCertificate> {
  const certificate = decodedPem(pem);
  const found = await store.authorities.certificateByFingerprint(tenant, hex(sha256(certificate)));
  if (found === undefined) throw new ServiceError("not-found", "the certificate in the file was not issued here");
  return found;
}

function keyOf({ certificate }: IssuedCertificate): string {
  return hex(sha256(parseCertificate(certificate).subjectPublicKeyInfo));
}

/** The first certificate, as files hold the device's own before its chain. */
function decodedPem(pem: string): Uint8Array {
  try {
    const first = decodePem(pem).find(({ label }) => label === "CERTIFICATE");
    if (first !== undefined) return first.bytes;
  } catch (cause) {
    throw new ServiceError("invalid", "the file is not in PEM", { cause });
  }
  throw new ServiceError("invalid", "the file holds no certificate in PEM");
}

function alreadyRevoked({ serial, revocation }: IssuedCertificate): ServiceError {
  const since =
    revocation === undefined ? "" : ` since ${new Date(revocation.at).toISOString()} for ${revocation.reason}`;
  return new ServiceError("conflict", `the certificate ${serial} is revoked already${since}`);
}
