import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Evidence } from "../protocols/ports.ts";
import type { Identified } from "../store/devices.ts";
import type { Device, Identity, IdentityKind } from "../store/records.ts";
import type { Store } from "../store/store.ts";

/** What the inventory says of the device that the evidence speaks of. */
export interface Known {
  readonly device: Device | undefined;
  /** A common name beside the device's serial number that no other device has. */
  readonly certifiedName?: string | undefined;
  /** Why the evidence cannot be this device's, whatever the rules say. */
  readonly conflict?: { readonly rule: string; readonly reason: string };
}

/**
 * The device that the evidence proves; for a name that only a user's pattern or a person vouches for, the one of that name.
 * A weaker credential never reaches a device that was proven by its manufacturer's certificate.
 */
export async function findKnown(store: Store, tenant: string, evidence: Evidence): Promise<Known> {
  const { credential, name } = evidence;
  const taken = evidence.certifiedName ?? name;
  const ofCertificate = credential === "ldevid" ? await holderOf(store, tenant, evidence.certificate) : undefined;
  // All at one moment: an equal request that is granted between two looks would be taken for another device's.
  const [serial, named, keyed, ...owners] = await store.devices.identified(tenant, [
    { kind: "serial", value: credential === "idevid" ? (evidence.serial ?? "") : name },
    { kind: "name", value: name },
    { kind: "key", value: evidence.key ?? "" },
    { kind: "name", value: taken },
    { kind: "serial", value: taken },
  ]);
  const known = credential === "ldevid" ? { device: ofCertificate } : findByCredential(evidence, serial, named);
  const { device } = known;
  if (known.conflict !== undefined) return known;
  if (device !== undefined && barred.has(device.lifecycle)) {
    return { device, conflict: { rule: "lifecycle", reason: `the device ${device.name} is ${device.lifecycle}` } };
  }
  if (keyed !== undefined && keyed.device.id !== device?.id) {
    const reason = `the public key belongs to the device ${keyed.device.name} already`;
    return { device, conflict: { rule: "one key, one device", reason } };
  }
  const owner = owners.find((each) => each !== undefined && each.device.id !== device?.id);
  const takesName = credential === "idevid" || evidence.newName !== undefined;
  if (takesName && owner !== undefined && !isModelName(owner.identity, evidence)) {
    const reason = `the name ${taken} is another device's already`;
    return { device, conflict: { rule: "one name, one device", reason } };
  }
  return owner === undefined ? { ...known, certifiedName: evidence.certifiedName } : known;
}

async function holderOf(store: Store, tenant: string, certificate = ""): Promise<Device | undefined> {
  const issued = await store.authorities.certificateByFingerprint(tenant, certificate);
  return issued?.device === undefined ? undefined : store.devices.find(tenant, issued.device);
}

/**
 * A manufacturer may give all its devices one common name (IEEE 802.1AR 8.6); their certificates differ by the serialNumber. As a
 * host name it is one device's.
 */
function isModelName({ kind, provenBy, issuer }: Identity, evidence: Evidence): boolean {
  const { credential, certifiedName, hostName } = evidence;
  if (credential !== "idevid" || certifiedName === undefined || hostName === true) return false;
  return kind === "name" && provenBy === "idevid" && issuer === evidence.issuer;
}

function findByCredential(evidence: Evidence, serial: Identified | undefined, named: Identified | undefined): Known {
  switch (evidence.credential) {
    case "idevid": {
      const issuer = serial?.identity.issuer;
      if (issuer === undefined || issuer === evidence.issuer) return { device: serial?.device };
      const reason = `the serial number ${evidence.serial} is a device's of ${issuer}, and this certificate is by ${evidence.issuer}`;
      return { device: undefined, conflict: { rule: "one serial number, one manufacturer", reason } };
    }
    default: {
      if (serial?.identity.provenBy === "idevid") {
        const reason = `the name ${evidence.name} is the serial number of a device that has shown its manufacturer's certificate`;
        return { device: undefined, conflict: { rule: "no weaker credential", reason } };
      }
      if (named?.identity.provenBy === "idevid") {
        const reason = `the name ${evidence.name} is one that a device with its manufacturer's certificate has`;
        return { device: undefined, conflict: { rule: "no weaker credential", reason } };
      }
      // RFC 6402 2.8: a name that a device took in a renewal is known by its certificate, not by who may enrol such names.
      if (named?.identity.provenBy === "ldevid") {
        const reason = `the name ${evidence.name} is one that a device took when it renewed its certificate`;
        return { device: undefined, conflict: { rule: "no weaker credential", reason } };
      }
      return { device: (named ?? serial)?.device };
    }
  }
}

/** The device as it stands in the inventory after this evidence was admitted, and the writes that make it so. */
export function admitted(
  { store, clock, randomness }: { readonly store: Store; readonly clock: Clock; readonly randomness: Randomness },
  tenant: string,
  { device: found, certifiedName }: Known,
  evidence: Evidence,
): { readonly device: string; readonly writes: readonly Write[] } {
  const now = clock.now();
  const { name } = evidence;
  const device: Device = found ?? {
    tenant,
    id: hex(randomness.bytes(8)),
    name,
    lifecycle: "operational",
    created: now,
    updated: now,
  };
  const insertion =
    found === undefined
      ? store.devices.insert(device)
      : // The guard compares `updated`, which has to differ although the clock may stand still or have been set back.
        store.devices.update(found, { lifecycle: "operational", updated: Math.max(now, found.updated + 1) });
  return {
    device: device.id,
    writes: [
      insertion,
      ...identitiesOf(tenant, device.id, evidence, certifiedName).map((each) => store.devices.addIdentity(each)),
    ],
  };
}

function identitiesOf(
  tenant: string,
  device: string,
  evidence: Evidence,
  certifiedName: string | undefined,
): readonly Identity[] {
  const { credential, key, serial, issuer, certificate, name, newName } = evidence;
  const provenBy = credential === "anonymous" ? "approval" : credential;
  const identity = (kind: IdentityKind, value: string): Identity => ({ tenant, kind, value, device, provenBy });
  const vouched = issuer === undefined ? {} : { issuer };
  const keys = key === undefined ? [] : [identity("key", key)];
  switch (credential) {
    case "idevid":
      return [
        ...keys,
        ...(serial === undefined ? [] : [{ ...identity("serial", serial), ...vouched }]),
        ...(certifiedName === undefined ? [] : [{ ...identity("name", certifiedName), ...vouched }]),
        ...(certificate === undefined ? [] : [{ ...identity("certificate", certificate), ...vouched }]),
      ];
    case "ldevid":
      return [...keys, ...(newName === undefined ? [] : [identity("name", newName)])];
    case "password":
    case "psk":
    case "ra":
    case "anonymous":
      return [...keys, identity("name", name)];
  }
}

const barred: ReadonlySet<Device["lifecycle"]> = new Set(["suspended", "retired", "transferred"]);
