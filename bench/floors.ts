import { fork } from "node:child_process";
import { createECDH, createPublicKey, randomBytes, sign, verify } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { generateKey, privateKeyToPem } from "../src/crypto/keys.ts";
import type { BareServerOptions } from "./bare-server.ts";
import { makeAuthority, makeServer } from "./devices.ts";
import { cpuTimeFor } from "./measure.ts";
import type { Rows } from "./rows.ts";

/** CPU microseconds of one signature on P-256, over node:crypto. */
export interface SignatureFloors {
  readonly sign: number;
  readonly verify: number;
}

/** The same of one public-key operation. */
export interface PublicKeyFloors extends SignatureFloors {
  /** A fresh key pair and the shared secret with another. */
  readonly agree: number;
}

/** Measures the signatures once, in this process. */
export function signatureFloors(): SignatureFloors {
  const privateKey = generateKey("P-256");
  const publicKey = createPublicKey(privateKey);
  const message = randomBytes(400);
  const signature = sign("sha256", message, privateKey);
  return {
    sign: cpuTimeFor(operations, () => sign("sha256", message, privateKey)),
    verify: cpuTimeFor(operations, () => {
      if (!verify("sha256", message, publicKey, signature)) throw new Error("the signature does not verify");
    }),
  };
}

/** Measures the public-key operations once, in this process. */
export function publicKeyFloors(): PublicKeyFloors {
  const other = createECDH("prime256v1").generateKeys();
  return {
    ...signatureFloors(),
    agree: cpuTimeFor(operations, () => {
      const own = createECDH("prime256v1");
      own.generateKeys();
      own.computeSecret(other);
    }),
  };
}

/**
 * CPU microseconds to make the rows of one onboarding durable, when `grouped` onboardings share one transaction: inserts
 * into one table with one index of a bare SQLite file in `directory`, journal and flushing as in the store.
 */
export function rowsFloor(directory: string, rows: readonly Rows[], grouped: number): number {
  const file = join(directory, "floor.sqlite");
  const database = new DatabaseSync(file);
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = full");
    database.exec("create table rows (id blob primary key, content blob not null) strict");
    const insert = database.prepare("insert into rows (id, content) values (?, ?)");
    const contents = rows.flatMap(({ count, bytes }) =>
      Array.from({ length: count }, () => randomBytes(Math.max(0, Math.round(bytes / count) - keyBytes))),
    );
    const perTransaction = cpuTimeFor(grouped === 1 ? ungrouped : Math.ceil(onboardings / grouped), () => {
      database.exec("begin immediate");
      for (let onboarding = 0; onboarding < grouped; onboarding += 1)
        for (const content of contents) insert.run(randomBytes(keyBytes), content);
      database.exec("commit");
    });
    return perTransaction / grouped;
  } finally {
    database.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
  }
}

export interface BareServer {
  readonly pid: number;
  readonly port: number;
  /** The root that its clients trust, in PEM. */
  readonly root: string;
  stop(): void;
}

/** Starts `bare-server.ts` in a process of its own, with a chain as long as the one of the service. */
export async function bareServer(bodyBytes: number): Promise<BareServer> {
  const root = await makeAuthority("bench root");
  const issuing = await makeAuthority("bench issuing", root);
  const { certificate, key } = await makeServer(issuing);
  const credential = { chain: certificate + issuing.certificate, key: privateKeyToPem(key) };
  const child = fork(fileURLToPath(new URL("./bare-server.ts", import.meta.url)));
  const port = await new Promise<number>((resolve, reject) => {
    child.once("message", (port: number) => resolve(port));
    child.once("exit", (code) => reject(new Error(`bare-server.ts ended with code ${code}`)));
    const options: BareServerOptions = { credential, bodyBytes };
    child.send(options);
  });
  return { pid: child.pid ?? 0, port, root: root.certificate, stop: () => child.disconnect() };
}

const operations = 2_000;
const onboardings = 1_024;
const ungrouped = 256;
const keyBytes = 16;
