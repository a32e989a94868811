import { setImmediate } from "node:timers/promises";
import { fromHex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { buildCertificateList } from "../pki/crl-build.ts";
import type { Revocation } from "../pki/crl-entries.ts";
import { each } from "../store/paging.ts";
import type { StoredCrl } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { type Authority, identifierOf } from "./authority.ts";
import type { CaCertificate } from "./authority-hierarchy.ts";

export interface CrlParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly authority: Pick<Authority, "signer">;
}

/**
 * The CRL to serve for a CA: `atHand` while it has all revocations and half of its validity before it, else the stored one
 * under the same conditions, else a new one, which is stored with the next number before it is handed out. Throws what store
 * and signer throw; `guard-lost` when another process was faster, whose CRL the next call finds.
 */
export async function currentCrl(
  tenant: string,
  ca: CaCertificate,
  atHand: StoredCrl | undefined,
  parts: CrlParts,
): Promise<StoredCrl> {
  const { store, clock } = parts;
  const authority = ca.record.name;
  // Read before the entries: what is revoked while they are read is perhaps among them, and counts as missing.
  const changes = await store.authorities.revocationChanges(tenant, authority);
  const now = clock.now();
  if (atHand !== undefined && isCurrent(atHand, changes, now)) return atHand;
  const latest = await store.authorities.latestCrl(tenant, authority);
  if (latest !== undefined && isCurrent(latest, changes, now)) return latest;
  const crl = await nextCrl(tenant, ca, latest, changes, parts);
  await store.commit([store.authorities.saveCrl(crl)]);
  return crl;
}

/** A list of the future was made before the clock was set back; nobody would believe it. */
function isCurrent({ changes, thisUpdate, nextUpdate }: StoredCrl, wanted: number, now: number): boolean {
  return changes >= wanted && now >= thisUpdate && now < (thisUpdate + nextUpdate) / 2;
}

async function nextCrl(
  tenant: string,
  ca: CaCertificate,
  latest: StoredCrl | undefined,
  changes: number,
  { store, clock, authority }: CrlParts,
): Promise<StoredCrl> {
  const name = ca.record.name;
  const now = clock.now();
  const thisUpdate = now - (now % 1000);
  const nextUpdate = thisUpdate + crlValidity;
  const number = (latest?.number ?? 0) + 1;
  // RFC 5280 3.3: an expired certificate leaves the list when it was on one that was issued after its end, out of turn or not.
  const left = latest === undefined ? 0 : Math.min(latest.thisUpdate, thisUpdate - crlValidity);
  const der = await buildCertificateList({
    issuer: ca.certificate.subject.raw,
    authorityKeyIdentifier: identifierOf(ca),
    thisUpdate,
    nextUpdate,
    cRLNumber: octetsOf(number),
    revokedCertificates: revocations(tenant, name, left, store),
    signer: await authority.signer(ca),
  });
  return { tenant, authority: name, number, thisUpdate, nextUpdate, der, changes };
}

/** All revocations of certificates that end at `left` or later. */
async function* revocations(tenant: string, authority: string, left: number, store: Store): AsyncGenerator<Revocation> {
  const pages = each(async (page) => {
    // A list may have thousands of pages, and a device waits at most for one.
    await setImmediate();
    return store.authorities.revokedOf(tenant, authority, page);
  });
  for await (const { serial, at, reason, notAfter } of pages)
    if (notAfter >= left) yield { serialNumber: fromHex(serial) ?? new Uint8Array(), revocationDate: at, reason };
}

function octetsOf(number: number): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, BigInt(number));
  return octets;
}

/** A revocation makes a new list at once; this is how long a client that keeps one may not hear of it. */
const crlValidity = 24 * 3600 * 1000;
