import assert from "node:assert/strict";
import { test } from "node:test";
import type { StoreErrorCode } from "../errors.ts";
import { each, type Page, type PageRequest } from "../paging.ts";
import type {
  Anchor,
  Approval,
  AuditEntry,
  Authority,
  Device,
  EstUser,
  Identity,
  IssuedCertificate,
  Rule,
  SealedKey,
  StoredCrl,
  StoredProfile,
  StoredRun,
  StoredSession,
} from "../records.ts";
import type { Store } from "../store.ts";

/** Opens an empty store of the engine under test. */
export type Open = () => Promise<Store>;

/** A test with a store of its own that has the tenants `a` and `b`. */
export function storeTest(open: Open, name: string, body: (store: Store) => Promise<void>): void {
  test(name, async () => {
    const store = await open();
    try {
      await store.commit(["a", "b"].map((tenant) => store.tenants.ensure({ tenant, created: 1 })));
      await body(store);
    } finally {
      await store.close();
    }
  });
}

export function rejectsWith(code: StoreErrorCode, promise: Promise<unknown>): Promise<void> {
  return assert.rejects(promise, { name: "StoreError", code });
}

/** Reads a list in pages of one and of many, which must agree, and returns it. */
export async function listed<T>(read: (page: PageRequest) => Promise<Page<T>>): Promise<readonly T[]> {
  const whole = await collected(each(read));
  const single = await collected(each((page) => read({ ...page, limit: 1 })));
  assert.deepEqual(single, whole);
  return whole;
}

async function collected<T>(records: AsyncIterable<T>): Promise<readonly T[]> {
  const all: T[] = [];
  for await (const record of records) all.push(record);
  return all;
}

/** Plain bytes, as every engine answers with them. */
export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function device(id: string, fields: Partial<Device> = {}): Device {
  return { tenant: "a", id, name: `name-${id}`, lifecycle: "made", created: 10, updated: 10, ...fields };
}

export function identity(device: string, value: string, fields: Partial<Identity> = {}): Identity {
  return { tenant: "a", kind: "serial", value, device, provenBy: "claimed", ...fields };
}

export function anchor(id: string, fields: Partial<Anchor> = {}): Anchor {
  const certificate = bytes(`anchor ${id}`);
  return { tenant: "a", id, name: `anchor-${id}`, purpose: "manufacturer", certificate, added: 10, ...fields };
}

export function rule(id: string, fields: Partial<Omit<Rule, "position">> = {}): Omit<Rule, "position"> {
  return { tenant: "a", id, verdict: "allow", match: { protocol: "est", serial: "SN-*" }, created: 10, ...fields };
}

export function approval(id: string, fields: Partial<Approval> = {}): Approval {
  return {
    tenant: "a",
    id,
    protocol: "est",
    subject: `subject-${id}`,
    evidence: { serial: "SN-1", chain: ["x"] },
    state: "pending",
    run: "run-1",
    created: 10,
    ...fields,
  };
}

export function estUser(name: string, fields: Partial<EstUser> = {}): EstUser {
  return { tenant: "a", name, passwordHash: "scrypt$1$1$1$s$h", devices: "*", created: 10, ...fields };
}

export function sealedKey(name: string, fields: Partial<SealedKey> = {}): SealedKey {
  return { tenant: "a", name, sealed: bytes(`sealed ${name}`), ...fields };
}

export function authority(name: string, fields: Partial<Authority> = {}): Authority {
  const made = { role: "issuing", state: "next", origin: "own", certificate: bytes(`authority ${name}`) } as const;
  return { tenant: "a", name, ...made, key: `${name}-key`, created: 10, ...fields };
}

export function crl(number: number, fields: Partial<StoredCrl> = {}): StoredCrl {
  return {
    tenant: "a",
    authority: "issuing",
    number,
    thisUpdate: 10,
    nextUpdate: 20,
    der: bytes(`crl ${number}`),
    changes: 0,
    ...fields,
  };
}

export function profile(name: string, fields: Partial<StoredProfile> = {}): StoredProfile {
  return { tenant: "a", name, protocol: "est", label: `label-${name}`, settings: { lifetime: 1 }, ...fields };
}

export function certificate(serial: string, fields: Partial<IssuedCertificate> = {}): IssuedCertificate {
  return {
    tenant: "a",
    authority: "issuing",
    serial,
    certificate: bytes(`certificate ${serial}`),
    subject: `CN=${serial}`,
    profile: "device",
    notBefore: 10,
    notAfter: 20,
    device: "d1",
    run: "run-1",
    ...fields,
  };
}

export function session(key: string, fields: Partial<StoredSession> = {}): StoredSession {
  return { tenant: "a", protocol: "est", key, version: 1, data: bytes(`data ${key}`), expires: 100, ...fields };
}

export function run(id: string, fields: Partial<StoredRun> = {}): StoredRun {
  return {
    tenant: "a",
    id,
    protocol: "est",
    variant: "simpleenroll",
    device: "d1",
    label: "Device 1",
    started: 10,
    ended: 12,
    outcome: "granted",
    reason: "rule 1",
    run: bytes(`{"id":"${id}"}`),
    ...fields,
  };
}

export function auditEntry(
  action: string,
  fields: Partial<Omit<AuditEntry, "sequence" | "hash">> = {},
): Omit<AuditEntry, "sequence" | "hash"> {
  return { tenant: "a", at: 10, actor: "operator", action, subject: "d1", detail: { rule: 1 }, ...fields };
}
