import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Device } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";
import { requireAnchor } from "./trust.ts";

/**
 * Records that the device with this serial number is the tenant's own, and with `issuer` (the name of a registered anchor)
 * whose certificate has to prove it. Claiming it again changes nothing, except that an issuer is noted as long as nobody
 * has proven the serial number. Throws `invalid`, and `conflict` when the device has proven it by another issuer.
 */
export async function claimSerial(
  store: Store,
  tenant: string,
  serial: string,
  actor: string,
  clock: Clock,
  randomness: Randomness,
  issuer?: string,
): Promise<Device> {
  const value = serial.trim();
  if (!serialPattern.test(value)) {
    throw new ServiceError(
      "invalid",
      `"${value.slice(0, 80)}" is not a serial number: 1 to 64 printable ASCII characters without spaces`,
    );
  }
  if (issuer !== undefined) await requireAnchor(store, tenant, issuer);
  // The device first: the guard on it then covers what is read of its identity.
  const found = await store.devices.findByIdentity(tenant, "serial", value);
  const known = await store.devices.identity(tenant, "serial", value);
  if (found !== undefined && (issuer === undefined || known?.issuer === issuer)) return found;
  if (found !== undefined && known?.provenBy !== "claimed") {
    const prover = known?.issuer === undefined ? "without a manufacturer's certificate" : `as one of ${known.issuer}`;
    throw new ServiceError("conflict", `the device ${found.name} was onboarded ${prover} already; look at it first`);
  }
  const now = clock.now();
  const device: Device =
    found === undefined
      ? { tenant, id: hex(randomness.bytes(8)), name: value, lifecycle: "claimed", created: now, updated: now }
      : { ...found, updated: Math.max(now, found.updated + 1) };
  const vouched = issuer === undefined ? {} : { issuer };
  await store.commit([
    found === undefined ? store.devices.insert(device) : store.devices.update(found, device),
    store.devices.addIdentity({ tenant, kind: "serial", value, device: device.id, provenBy: "claimed", ...vouched }),
    store.audit.append({
      tenant,
      at: now,
      actor,
      action: "claim",
      subject: value,
      detail: { device: device.id, ...vouched },
    }),
  ]);
  return device;
}

/** The device of this id, serial number or name; throws `not-found`. */
export async function requireDevice(store: Store, tenant: string, name: string): Promise<Device> {
  const found =
    (await store.devices.find(tenant, name)) ??
    (await store.devices.findByIdentity(tenant, "serial", name)) ??
    (await store.devices.findByIdentity(tenant, "name", name));
  if (found !== undefined) return found;
  throw new ServiceError("not-found", `there is no device ${name}; list them with: hatchery devices`);
}

/** X.520 serialNumber is a PrintableString of at most 64 characters; `*` would be a pattern in rules. */
const serialPattern = /^[\x21-\x29\x2b-\x7e]{1,64}$/;
