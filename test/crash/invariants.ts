import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { hex } from "../../src/core/bytes.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { type AuditHead, brokenLink, type ChainedLine, emptyChain } from "../../src/store/audit-chain.ts";
import type { Received } from "./fleet.ts";

/** What the store of a dead service holds, counted. */
export interface Kept {
  readonly certificates: number;
  /** Certificates that were granted, and that no device has received yet. */
  readonly unheard: number;
}

/** Holds what lies on the disk against what the devices know: nothing promised is lost, nothing is granted twice. */
export function checkKept(data: string, received: readonly Received[]): Kept {
  const database = new DatabaseSync(join(data, "hatchery.db"), { readOnly: true });
  try {
    const rows = <Row>(sql: string) => database.prepare(sql).all() as unknown as readonly Row[];
    return checkRows(
      {
        certificates: rows(queries.certificates),
        runs: rows(queries.runs),
        audit: rows(queries.audit),
        devices: rows(queries.devices),
        approvals: rows(queries.approvals),
      },
      received,
    );
  } finally {
    database.close();
  }
}

/** What a store keeps of the tenant `default`. */
export interface KeptRows {
  readonly certificates: readonly CertificateRow[];
  /** Those that granted something. */
  readonly runs: readonly RunRow[];
  readonly audit: readonly ChainedLine[];
  readonly devices: readonly DeviceRow[];
  readonly approvals: readonly ApprovalRow[];
}

/** How `KeptRows` are read from any engine. */
export const queries: { readonly [table in keyof KeptRows]: string } = {
  certificates: "select * from certificates where tenant = 'default'",
  runs: "select * from runs where tenant = 'default' and outcome = 'granted'",
  audit: "select * from audit where tenant = 'default' order by sequence",
  devices: "select * from devices where tenant = 'default'",
  approvals: "select * from approvals where tenant = 'default'",
};

/** The same of rows that were read already. */
export function checkRows(rows: KeptRows, received: readonly Received[]): Kept {
  const { certificates, audit, devices, approvals } = rows;
  const runs = new Map(rows.runs.map((run) => [run.id, run]));
  const stored = new Set(certificates.map(({ certificate }) => hex(certificate)));
  for (const { name, certificate } of received)
    assert.ok(stored.has(hex(certificate)), `the certificate that ${name} received is in the store`);

  allDifferent(certificates, "serial number", ({ certificate }) => hex(parseCertificate(certificate).serialNumber));
  // Every operation of a device has a key of its own here: one key, one certificate.
  allDifferent(certificates, "key", ({ certificate }) => hex(parseCertificate(certificate).subjectPublicKeyInfo));
  allDifferent(certificates, "run", ({ run }) => run);

  for (const { run, serial, device } of certificates)
    assert.equal(runs.get(run)?.device, device, `the granted run of certificate ${serial} names its device`);
  assert.equal(runs.size, certificates.length, "every granted run has its certificate");

  const granted = audit.filter(({ action }) => action === "granted").map(({ detail }) => JSON.parse(detail).run);
  assert.deepEqual(granted.toSorted(), [...runs.keys()].toSorted(), "one line of audit for each granted run");
  let head: AuditHead = emptyChain;
  for (const line of audit) {
    assert.equal(brokenLink(head, line), undefined, "the audit's chain holds");
    head = line;
  }

  allDifferent(devices, "name", ({ name }) => name);
  const certified = new Set(certificates.map(({ device }) => device));
  assert.deepEqual(devices.map(({ id }) => id).toSorted(), [...certified].toSorted(), "a device came with its grant");

  // What was said about a request whose session has ended is withdrawn when it is made again.
  const standing = approvals.filter(({ state }) => state !== "expired");
  allDifferent(standing, "subject", ({ subject }) => subject);
  const used = approvals.filter(({ state }) => state === "used").map(({ run }) => run);
  const approvedRuns = [...runs.values()].filter(({ variant }) => variant === "est/anonymous").map(({ id }) => id);
  assert.deepEqual(used.toSorted(), approvedRuns.toSorted(), "each approval that is used up granted its own run");
  const decided = approvals.filter(({ state }) => state !== "pending").map(({ run }) => run);
  const approved = audit.filter(({ action }) => action === "approve").map(({ detail }) => JSON.parse(detail).run);
  assert.deepEqual(approved.toSorted(), decided.toSorted(), "one line of audit for each approval");

  const heard = new Set(received.map(({ certificate }) => hex(certificate)));
  return { certificates: stored.size, unheard: [...stored].filter((each) => !heard.has(each)).length };
}

/** SQLite's own word on its file. */
export function checkFile(data: string): void {
  const database = new DatabaseSync(join(data, "hatchery.db"), { readOnly: true });
  try {
    assert.deepEqual(database.prepare("pragma integrity_check").all().map(Object.values), [["ok"]]);
    assert.deepEqual(database.prepare("pragma foreign_key_check").all(), []);
  } finally {
    database.close();
  }
}

function allDifferent<Row>(rows: readonly Row[], what: string, of: (row: Row) => string): void {
  const seen = new Set<string>();
  for (const row of rows) {
    const value = of(row);
    assert.ok(!seen.has(value), `the ${what} ${value} is there twice`);
    seen.add(value);
  }
}

interface CertificateRow {
  readonly serial: string;
  readonly certificate: Uint8Array;
  readonly device: string;
  readonly run: string;
}

interface RunRow {
  readonly id: string;
  readonly device: string;
  readonly variant: string;
}

interface DeviceRow {
  readonly id: string;
  readonly name: string;
}

interface ApprovalRow {
  readonly subject: string;
  readonly state: string;
  readonly run: string;
}
