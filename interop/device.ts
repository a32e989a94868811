import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { OpensslCa } from "../test/system/openssl-ca.ts";
import { checkCertificate } from "./openssl.ts";
import { type CommandResult, command, succeed } from "./peer.ts";

/** Where a device works and what ends it. */
export interface DeviceContext {
  readonly directory: string;
  readonly signal: AbortSignal;
  /** Where its credential goes, below `directory` when left out. */
  readonly out?: string;
}

/** What `hatchery device est` keeps, files in PEM. */
export interface DeviceFiles {
  readonly out: string;
  readonly certificate: string;
  readonly key: string;
  readonly authorities: string;
}

/** Runs `hatchery device est ARGS`, which must end well, and returns the files of its credential. */
export async function deviceEst(context: DeviceContext, args: readonly string[]): Promise<DeviceFiles> {
  const { out = join(context.directory, "device") } = context;
  await succeed(process.execPath, [...words, "--out", out, ...args], options(context));
  const file = (name: string) => join(out, "current", name);
  return { out, certificate: file("cert.pem"), key: file("key.pem"), authorities: file("ca.pem") };
}

/** The same for a run that may fail: its exit code and what it wrote. */
export function tryDeviceEst(context: DeviceContext, args: readonly string[]): Promise<CommandResult> {
  const { out = join(context.directory, "device") } = context;
  return command(process.execPath, [...words, "--out", out, ...args], options(context));
}

/** Holds a device's certificate against the CA that openssl made for the server, of which `issuing` may be the root itself. */
export function checkDevice(
  { certificate, key }: DeviceFiles,
  { root, issuing }: { readonly root: OpensslCa; readonly issuing: OpensslCa },
  commonName: string,
): Promise<void> {
  const authorities = { root: root.certificateFile, issuing: issuing.certificateFile };
  return checkCertificate(certificate, authorities, { key, commonName });
}

function options({ directory, signal }: DeviceContext) {
  return { cwd: directory, signal, env: { HATCHERY_DATA: join(directory, "no-service"), NO_COLOR: "1" } };
}

const words = [join(dirname(fileURLToPath(import.meta.url)), "..", "bin", "hatchery.js"), "device", "est"];
