import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/core/clock.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { deviceKey, deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import type { Run } from "../../src/knowledge/run.ts";
import { type Manufacturer, openFactory } from "../../src/lab/factory.ts";
import {
  type EnrolledCredential,
  type EnrollOperation,
  type EstDeviceEnv,
  type EstDeviceSettings,
  enroll,
} from "../../src/protocols/est/index.ts";
import type { ClientIdentity } from "../../src/protocols/ports.ts";
import { type System, type SystemOptions, startSystem } from "../../src/service/system.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";

/** A real service of a test: its own data directory, free ports, and the API through its Unix socket. */
export interface TestService {
  readonly data: string;
  /** Port of the EST listener of the tenant `default`. */
  readonly port: number;
  /** Base URL of CRLs and OCSP. */
  readonly publication: string;
  /** Port of the listener of the tenant `default` for those who are not devices themselves, such as `client-cert`. */
  door(name: string): number;
  /** Root of the tenant's CA in DER. */
  readonly root: Uint8Array;
  /** A manufacturer whose anchor is registered as `acme`. */
  readonly factory: Manufacturer;
  /** Calls the API of the tenant `default`; throws for any status but 200. */
  call<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  /** The rows that are stored for the tenant `default`, read past the service from its database. */
  rows(table: Table): readonly Record<string, unknown>[];
  /** All these rows of all tables, so that two moments can be compared. */
  contents(): Readonly<Record<string, unknown>>;
  /** Ends the service and starts it again on the same data, perhaps on another port. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Tables that an onboarding may change. */
const tables = ["devices", "identities", "certificates", "sessions", "approvals", "runs", "audit"] as const;
export type Table = (typeof tables)[number] | "authorities" | "sealed_keys";

export async function startService(options: Partial<SystemOptions> = {}): Promise<TestService> {
  const data = await mkdtemp(join(tmpdir(), "hatchery-test-"));
  const start = () =>
    startSystem({
      data,
      host: "127.0.0.1",
      port: 0,
      demoPort: 0,
      publicationPort: 0,
      names: [],
      logLevel: "silent",
      ...options,
    });
  let system = await start();
  const call: TestService["call"] = (method, path, body) => caller(system.socket)(method, path, body);
  const factory = await openFactory("Acme", systemClock, systemRandomness);
  await call("POST", "/anchors", { name: "acme", pem: encodePem("CERTIFICATE", factory.certificate) });
  const { root } = await call<{ readonly root: string }>("GET", "/ca");
  const rows = (table: Table) => {
    const database = new DatabaseSync(join(data, "hatchery.db"), { readOnly: true, readBigInts: true });
    try {
      return database.prepare(`select * from ${table} where tenant = 'default' order by 1, 2, 3`).all();
    } finally {
      database.close();
    }
  };
  return {
    data,
    get port() {
      return portOf(system);
    },
    get publication() {
      return system.status().publication;
    },
    door(name) {
      const url = system.status().listeners.find(({ door }) => door === name)?.url ?? "";
      return Number(new URL(url).port);
    },
    root: (decodePem(root)[0] as { readonly bytes: Uint8Array }).bytes,
    factory,
    call,
    rows,
    contents: () => Object.fromEntries(tables.map((table) => [table, rows(table)])),
    async restart() {
      await system.close();
      system = await start();
    },
    async close() {
      await system.close();
      await rm(data, { recursive: true });
    },
  };
}

export function portOf(system: System): number {
  const url = system.status().listeners.find(({ tenant }) => tenant === "default")?.url ?? "";
  return Number(new URL(url).port);
}

export function caller(socket: string): TestService["call"] {
  return async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const request = { method, path: `/api/v1/tenants/default${path}`, ...(body === undefined ? {} : { body }) };
    const { status, body: answer } = await requestUnix(socket, request);
    if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer as T;
  };
}

/** The identity of a new device of the service's manufacturer. */
export async function manufactured(
  service: TestService,
  serial: string,
): Promise<ClientIdentity & { readonly credential: "idevid" }> {
  const { certificate, key } = await service.factory.makeDevice(serial);
  return { credential: "idevid", chain: [certificate], key: deviceKey(key, "P-256") };
}

/** Enrols over a real TLS connection, the files below the service's data directory; returns the device's ledger as well. */
export async function enrolDevice(
  service: TestService,
  operation: EnrollOperation,
  name: string,
  settings: Partial<EstDeviceSettings> = {},
  env: Partial<EstDeviceEnv> = {},
): Promise<EnrolledCredential & { readonly ledger: Run }> {
  let ledger: Run | undefined;
  const environment: EstDeviceEnv = {
    ...nodeEstEnv({ directory: join(service.data, "devices", name), ledger: (run) => (ledger = run) }),
    ...env,
  };
  const credential = await enroll(
    operation,
    {
      server: { host: "127.0.0.1", port: service.port, trust: { kind: "explicit", anchors: [service.root] } },
      subject: deviceName(name),
      keyKind: "P-256",
      binding: "auto",
      patience: 30_000,
      ...settings,
    },
    environment,
  );
  return { ...credential, ledger: ledger as Run };
}
