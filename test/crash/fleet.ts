import assert from "node:assert/strict";
import { systemClock } from "../../src/core/clock.ts";
import { codeOf, HatcheryError } from "../../src/core/errors.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { deviceKey, deviceName, httpsAccess, newDeviceKey } from "../../src/device/index.ts";
import type { Manufacturer } from "../../src/lab/factory.ts";
import {
  type EnrolledCredential,
  type EstDeviceSettings,
  type EstDeviceStorage,
  EstFailed,
  enroll,
} from "../../src/protocols/est/index.ts";
import type { ClientIdentity, DeviceKey } from "../../src/protocols/ports.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { portOf, type Up } from "../system/hatchery.ts";

/** What a client received: it must never be lost, and never be another one when it is asked for again. */
export interface Received {
  readonly name: string;
  readonly operation: "simpleenroll" | "simplereenroll";
  readonly credential: Credential;
  readonly identity: Identity | undefined;
  readonly key: DeviceKey;
  readonly certificate: Uint8Array;
}

export interface Fleet {
  readonly received: readonly Received[];
  /** Enrolments that the end of the service cut off, each time that it did. */
  readonly interrupted: number;
  /** Enrols devices, one after another at each place, until the service is gone. */
  workUntilKilled(up: Up): Promise<void>;
  /** Enrols devices until there is `enough`; each asks again after one of the `statuses`, 503 unless given. */
  workUntil(up: Up, enough: (turnedAway: number) => boolean, statuses?: readonly number[]): Promise<void>;
  /** Brings every device that was begun to its end. */
  finish(up: Up): Promise<void>;
  /** Asks again, with the same key, for what was received; returns what came. */
  askAgain(up: Up, received: Received): Promise<Uint8Array>;
}

type Credential = "idevid" | "ldevid" | "anonymous";
type Identity = ClientIdentity & { readonly credential: "idevid" | "ldevid" };

/** Devices that begin with a manufacturer's certificate and renew, and such that begin with nothing and wait for a person. */
export function fleetOf(factory: Manufacturer, root: Uint8Array, prefix: string): Fleet {
  const received: Received[] = [];
  let made = 0;
  let interrupted = 0;
  const places: Place[] = (["idevid", "anonymous", "idevid", "idevid"] as const).map((credential) => ({
    credential,
    wants: [],
  }));

  const next = async (place: Place): Promise<Want> => {
    const [unfinished] = place.wants;
    if (unfinished !== undefined) return unfinished;
    made += 1;
    const name = `${prefix}-${made}`;
    const fresh = want(name, "simpleenroll", await bornAs(place.credential, name, factory));
    place.wants.push(fresh);
    return fresh;
  };

  const attempt = async (place: Place, up: Up): Promise<void> => {
    const wanted = await next(place);
    const { name, operation, identity } = wanted;
    const { certificate, chain, key } = await enrolOnce(up, root, wanted, wanted.storage);
    received.push({
      name,
      operation,
      identity,
      credential: identity?.credential ?? "anonymous",
      key,
      certificate: certificate.raw,
    });
    place.wants.shift();
    if (identity?.credential !== "idevid") return;
    const ldevid = { credential: "ldevid", chain: [certificate, ...chain].map(({ raw }) => raw), key } as const;
    place.wants.push(want(name, "simplereenroll", ldevid));
  };

  return {
    received,
    get interrupted() {
      return interrupted;
    },
    async workUntilKilled(up) {
      await Promise.all(
        places.map(async (place) => {
          for (let alive = true; alive; ) {
            alive = await attempt(place, up).then(
              () => true,
              (error: unknown) => {
                // A device of a dying service sees only that it is gone; any answer would be a wrong one.
                assert.ok(gone.has(codeOf(error)), error as Error);
                return false;
              },
            );
          }
          interrupted += 1;
        }),
      );
    },
    async workUntil(up, enough, statuses = [503]) {
      let turnedAway = 0;
      await Promise.all(
        places.map(async (place) => {
          while (!enough(turnedAway))
            await attempt(place, up).catch((error: unknown) => {
              if (!isForLater(error, statuses)) throw error;
              turnedAway += 1;
            });
        }),
      );
    },
    async finish(up) {
      for (const place of places) while (place.wants.length > 0) await attempt(place, up);
    },
    async askAgain(up, { name, operation, identity, key }) {
      const same: EstDeviceStorage = {
        ...forgetful,
        pendingKey: async () => key,
        savePendingKey: () => assert.fail("the same key was to be used"),
      };
      return (await enrolOnce(up, root, { name, operation, identity }, same)).certificate.raw;
    },
  };
}

/** A place at which one device after another is onboarded; what is begun first is finished first. */
interface Place {
  readonly credential: "idevid" | "anonymous";
  readonly wants: Want[];
}

/** One enrolment that is to be finished, however often the service dies. */
interface Want {
  readonly name: string;
  readonly operation: "simpleenroll" | "simplereenroll";
  readonly identity: Identity | undefined;
  readonly storage: EstDeviceStorage;
}

function want(name: string, operation: Want["operation"], identity: Identity | undefined): Want {
  let pending: DeviceKey | undefined;
  return {
    name,
    operation,
    identity,
    storage: {
      ...forgetful,
      pendingKey: async () => pending,
      savePendingKey: async (key) => {
        pending = key;
      },
    },
  };
}

async function bornAs(
  credential: Place["credential"],
  name: string,
  factory: Manufacturer,
): Promise<Identity | undefined> {
  if (credential === "anonymous") return undefined;
  const { certificate, key } = await factory.makeDevice(name);
  return { credential, chain: [certificate], key: deviceKey(key, "P-256") };
}

/** One attempt over real TLS. A device that has to wait is approved by the administrator at once. */
function enrolOnce(
  up: Up,
  root: Uint8Array,
  { name, operation, identity }: Omit<Want, "storage">,
  storage: EstDeviceStorage,
): Promise<EnrolledCredential> {
  let waiting: string | undefined;
  let isBusy = false;
  const settings: EstDeviceSettings = {
    server: { host: "127.0.0.1", port: portOf(up, "default"), trust: { kind: "explicit", anchors: [root] } },
    subject: deviceName(name),
    keyKind: "P-256",
    binding: "auto",
    patience: 60_000,
    ...(identity === undefined ? {} : { identity }),
  };
  return enroll(operation, settings, {
    ...httpsAccess(),
    // A service that is busy is counted, and asked again when the test says so.
    clock: { ...systemClock, sleep: () => (isBusy ? Promise.reject(busy()) : approve(up, waiting)) },
    randomness: systemRandomness,
    keys: { generate: async (kind) => newDeviceKey(kind) },
    storage,
    waiting: (_, run, why) => {
      waiting = run;
      isBusy = why === "busy";
    },
  });
}

async function approve(up: Up, run: string | undefined): Promise<void> {
  assert.ok(run !== undefined, "the server said that the device waits, but not for which run");
  const { status, body } = await requestUnix(up.socket, {
    method: "POST",
    path: `/api/v1/tenants/default/approvals/${run}`,
    body: { state: "approved" },
  });
  if (status === 503 || status === 507) throw new HatcheryError("store-refused", JSON.stringify(body));
  // The service may have died between the approval and its answer.
  assert.ok(status === 200 || status === 409, JSON.stringify(body));
}

function busy(): EstFailed {
  return new EstFailed("server-refused", "the service is busy", { details: { status: 503 } });
}

/** What the device got from its listener, or the administrator from the API. */
function isForLater(error: unknown, statuses: readonly number[]): boolean {
  if (error instanceof EstFailed) return statuses.some((status) => status === error.details["status"]);
  return codeOf(error) === "store-refused";
}

/** Of a device that is looked at for one enrolment. */
const forgetful = {
  anchors: async () => undefined,
  saveAnchors: async () => {},
  credential: async () => undefined,
  saveCredential: async () => {},
};
const gone: ReadonlySet<string> = new Set([
  "association-closed",
  "connect-failed",
  "handshake-failed",
  "service-not-running",
]);
