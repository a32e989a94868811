import { equal, hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Randomness } from "../core/randomness.ts";
import { decodePem } from "../encoding/pem.ts";
import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { equalNames, formatName } from "../pki/name.ts";
import { basicConstraintsOf } from "../pki/standard-extensions.ts";
import type { Trust } from "../protocols/ports.ts";
import { each } from "../store/paging.ts";
import type { Anchor } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { type KeptSettingParts, keptSetting } from "./kept-setting.ts";

/**
 * Registers the anchor of a manufacturer, in PEM, under a name that rules can use. Throws `invalid`, also when it is one of
 * `upstream`, the CAs behind the tenant's, or one of the tenant's own.
 */
export async function addAnchor(
  store: Store,
  anchor: { readonly tenant: string; readonly name: string; readonly pem: string },
  upstream: readonly Certificate[],
  actor: string,
  clock: Clock,
  randomness: Randomness,
): Promise<Anchor> {
  const { tenant, name, pem } = anchor;
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(name))
    throw new ServiceError("invalid", "an anchor's name has 1 to 64 letters, digits, dots, dashes or underscores");
  const certificate = certificateIn(pem);
  if (basicConstraintsOf(certificate.extensions)?.cA !== true) {
    throw new ServiceError(
      "invalid",
      `${formatName(certificate.subject)} is not a CA certificate; register the manufacturer's CA, not a device's certificate`,
    );
  }
  await requireForeign(store, tenant, upstream, certificate);
  const now = clock.now();
  const record: Anchor = {
    tenant,
    id: hex(randomness.bytes(6)),
    name,
    purpose: "manufacturer",
    certificate: certificate.raw,
    added: now,
  };
  await store.commit([
    store.policy.addAnchor(record),
    store.audit.append({
      tenant,
      at: now,
      actor,
      action: "trust-add",
      subject: name,
      detail: { anchor: record.id, subject: formatName(certificate.subject) },
    }),
  ]);
  return record;
}

/** Throws `invalid` when the tenant has no anchor of this name. */
export async function requireAnchor(store: Store, tenant: string, name: string): Promise<void> {
  for await (const anchor of each((page) => store.policy.anchors(tenant, page))) if (anchor.name === name) return;
  throw new ServiceError("invalid", `no trusted manufacturer is called ${name}; list them with: hatchery trust list`);
}

/** The tenant's anchors, kept in memory: an anchor that another process has removed is trusted for a second at most. */
export function trustOf(tenant: string, parts: KeptSettingParts & { readonly store: Store }): Trust {
  return { manufacturers: keptSetting(parts, () => manufacturersOf(tenant, parts.store)) };
}

async function manufacturersOf(tenant: string, store: Store): ReturnType<Trust["manufacturers"]> {
  const result: { readonly name: string; readonly certificate: Certificate }[] = [];
  for await (const { name, certificate } of each((page) => store.policy.anchors(tenant, page)))
    result.push({ name, certificate: parseCertificate(certificate) });
  return result;
}

/**
 * Throws `conflict` when one of the CAs, which are to be the tenant's own, has the name or the key of a registered
 * manufacturer: what the one signed must not be taken for what the other did.
 */
export async function requireNoManufacturer(store: Store, tenant: string, cas: readonly Certificate[]): Promise<void> {
  for (const { name, certificate } of await manufacturersOf(tenant, store))
    for (const ca of cas)
      if (alike(ca, certificate))
        throw new ServiceError(
          "conflict",
          `${formatName(ca.subject)} is trusted as the manufacturer ${name} already; a CA is either a manufacturer's or this tenant's`,
        );
}

/** What our own CA signed, or one for us, is no manufacturer's, and certificates are told apart by name and key of their CA. */
async function requireForeign(
  store: Store,
  tenant: string,
  upstream: readonly Certificate[],
  certificate: Certificate,
): Promise<void> {
  if (upstream.some((ca) => alike(ca, certificate)))
    throw new ServiceError(
      "invalid",
      `${formatName(certificate.subject)} has the name or the key of a CA upstream, which certifies for this tenant or did so; register the manufacturer's CA`,
    );
  for await (const { certificate: der } of each((page) => store.authorities.list(tenant, page))) {
    if (alike(parseCertificate(der), certificate))
      throw new ServiceError(
        "invalid",
        `${formatName(certificate.subject)} has the name or the key of this tenant's own CA; register the manufacturer's CA`,
      );
  }
}

function alike(a: Certificate, b: Certificate): boolean {
  return equalNames(a.subject, b.subject) || equal(a.subjectPublicKeyInfo, b.subjectPublicKeyInfo);
}

function certificateIn(pem: string): Certificate {
  try {
    const certificates = decodePem(pem).filter(({ label }) => label === "CERTIFICATE");
    const [only] = certificates;
    if (only === undefined || certificates.length !== 1)
      throw new ServiceError(
        "invalid",
        `the file holds ${certificates.length} certificates; register one anchor at a time`,
      );
    return parseCertificate(only.bytes);
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw new ServiceError("invalid", `the file is not a certificate in PEM: ${messageOf(error)}`, { cause: error });
  }
}
