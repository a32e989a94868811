import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Write } from "../core/write.ts";
import type { Evidence } from "../protocols/ports.ts";
import type { Device, Identity, IdentityKind } from "../store/records.ts";
import type { Store } from "../store/store.ts";

/** What the inventory says of the device that the evidence speaks of. */
export interface Known {
  readonly device: Device | undefined;
  /** Why the evidence cannot be this device's, whatever the rules say. */
  readonly conflict?: { readonly rule: string; readonly reason: string };
}

/**
 * The device that the evidence proves; for a name that only a user's pattern or a person vouches for, the one of that name.
 * A weaker credential never reaches a device that was proven by its manufacturer's certificate.
 */
export async function findKnown(store: Store, tenant: string, evidence: Evidence): Promise<Known> {
  const known = await findByCredential(store, tenant, evidence);
  const { device } = known;
  if (known.conflict !== undefined) return known;
  if (device !== undefined && barred.has(device.lifecycle)) {
    return { device, conflict: { rule: "lifecycle", reason: `the device ${device.name} is ${device.lifecycle}` } };
  }
  const keyOwner =
    evidence.key === undefined ? undefined : await store.devices.findByIdentity(tenant, "key", evidence.key);
  if (keyOwner !== undefined && keyOwner.id !== device?.id) {
    const reason = `the public key belongs to the device ${keyOwner.name} already`;
    return { device, conflict: { rule: "one key, one device", reason } };
  }
  const nameOwner = evidence.newName === undefined ? undefined : await ownerOf(store, tenant, evidence.newName);
  if (nameOwner !== undefined && nameOwner !== device?.id) {
    const reason = `the name ${evidence.newName} is another device's already`;
    return { device, conflict: { rule: "one name, one device", reason } };
  }
  return known;
}

/** The device that is known by this name, whatever vouched for it. */
async function ownerOf(store: Store, tenant: string, name: string): Promise<string | undefined> {
  const identity =
    (await store.devices.identity(tenant, "name", folded(name))) ??
    (await store.devices.identity(tenant, "serial", name));
  return identity?.device;
}

async function findByCredential(store: Store, tenant: string, evidence: Evidence): Promise<Known> {
  const identityOf = (kind: IdentityKind, value: string) => store.devices.identity(tenant, kind, value);
  const deviceOf = async (identity: Identity | undefined) =>
    identity === undefined ? undefined : store.devices.find(tenant, identity.device);
  switch (evidence.credential) {
    case "idevid": {
      const serial = await identityOf("serial", evidence.serial ?? "");
      if (serial?.issuer === undefined || serial.issuer === evidence.issuer) return { device: await deviceOf(serial) };
      const reason = `the serial number ${evidence.serial} is a device's of ${serial.issuer}, and this certificate is by ${evidence.issuer}`;
      return { device: undefined, conflict: { rule: "one serial number, one manufacturer", reason } };
    }
    case "ldevid": {
      const issued = await store.authorities.certificateByFingerprint(tenant, evidence.certificate ?? "");
      return { device: issued?.device === undefined ? undefined : await store.devices.find(tenant, issued.device) };
    }
    case "password":
    case "psk":
    case "ra":
    case "anonymous": {
      const serial = await identityOf("serial", evidence.name);
      if (serial?.provenBy === "idevid") {
        const reason = `the name ${evidence.name} is the serial number of a device that has shown its manufacturer's certificate`;
        return { device: undefined, conflict: { rule: "no weaker credential", reason } };
      }
      const named = await identityOf("name", folded(evidence.name));
      // RFC 6402 2.8: a name that a device took in a renewal is known by its certificate, not by who may enrol such names.
      if (named?.provenBy === "ldevid") {
        const reason = `the name ${evidence.name} is one that a device took when it renewed its certificate`;
        return { device: undefined, conflict: { rule: "no weaker credential", reason } };
      }
      return { device: await deviceOf(named ?? serial) };
    }
  }
}

/** The device as it stands in the inventory after this evidence was admitted, and the writes that make it so. */
export function admitted(
  { store, clock, randomness }: { readonly store: Store; readonly clock: Clock; readonly randomness: Randomness },
  tenant: string,
  found: Device | undefined,
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
    writes: [insertion, ...identitiesOf(tenant, device.id, evidence).map((each) => store.devices.addIdentity(each))],
  };
}

function identitiesOf(tenant: string, device: string, evidence: Evidence): readonly Identity[] {
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
        ...(certificate === undefined ? [] : [{ ...identity("certificate", certificate), ...vouched }]),
      ];
    case "ldevid":
      return [...keys, ...(newName === undefined ? [] : [identity("name", folded(newName))])];
    case "password":
    case "psk":
    case "ra":
    case "anonymous":
      return [...keys, identity("name", folded(name))];
  }
}

/** RFC 5280 7.1 takes names that differ in case for the same, and so does a person. */
function folded(name: string): string {
  return name.toLowerCase();
}

const barred: ReadonlySet<Device["lifecycle"]> = new Set(["suspended", "retired", "transferred"]);
