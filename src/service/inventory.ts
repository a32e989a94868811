import { hex } from "../core/bytes.ts";
import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import type { Device } from "../store/records.ts";
import type { Store } from "../store/store.ts";
import { ServiceError } from "./errors.ts";

/** Records that the device with this serial number is the tenant's own; claiming it again changes nothing. */
export async function claimSerial(
  store: Store,
  tenant: string,
  serial: string,
  actor: string,
  clock: Clock,
  randomness: Randomness,
): Promise<Device> {
  const value = serial.trim();
  if (!serialPattern.test(value)) {
    throw new ServiceError(
      "invalid",
      `"${value.slice(0, 80)}" is not a serial number: 1 to 64 printable ASCII characters without spaces`,
    );
  }
  const found = await store.devices.findByIdentity(tenant, "serial", value);
  if (found !== undefined) return found;
  const now = clock.now();
  const device: Device = {
    tenant,
    id: hex(randomness.bytes(8)),
    name: value,
    lifecycle: "claimed",
    created: now,
    updated: now,
  };
  await store.commit([
    store.devices.insert(device),
    store.devices.addIdentity({ tenant, kind: "serial", value, device: device.id, provenBy: "claimed" }),
    store.audit.append({ tenant, at: now, actor, action: "claim", subject: value, detail: { device: device.id } }),
  ]);
  return device;
}

/** X.520 serialNumber is a PrintableString of at most 64 characters; `*` would be a pattern in rules. */
const serialPattern = /^[\x21-\x29\x2b-\x7e]{1,64}$/;
