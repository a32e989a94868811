import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../core/clock.ts";
import { systemRandomness } from "../core/randomness.ts";
import { privateKeyToPem } from "../crypto/keys.ts";
import { encodePem } from "../encoding/pem.ts";
import type { Run } from "../knowledge/run.ts";
import { requestUnix } from "../transport/http/unix.ts";
import { LabError } from "./errors.ts";
import { newSerial, openFactory } from "./factory.ts";

export interface DemoOptions {
  /** The service's data directory; the demo keeps its files below it. */
  readonly data: string;
  /** The API's Unix socket. */
  readonly socket: string;
  /** Where the tenant `demo` has its EST server, such as `https://127.0.0.1:8444`. */
  readonly estUrl: string;
  readonly log: (line: string) => void;
}

/**
 * Onboards one emulated device in the tenant `demo`: a factory makes it, its operator registers the factory and claims the
 * serial number through the API, and the device, a process of its own with its own keys, enrols over a real TLS connection.
 */
export async function runDemo({ data, socket, estUrl, log }: DemoOptions): Promise<{ readonly run: string }> {
  await removeDemoFiles(data);
  const directory = directoryOf(data);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const call = async (method: string, path: string, body?: unknown) => {
    const { status, body: answer } = await requestUnix(socket, {
      method,
      path: `/api/v1/tenants/demo${path}`,
      ...(body === undefined ? {} : { body }),
    });
    if (status >= 300)
      throw new LabError(
        "demo-failed",
        `the demo's ${method} ${path} was answered with ${status}: ${JSON.stringify(answer)}`,
      );
    return answer;
  };

  const factory = await openFactory("Example Devices", systemClock, systemRandomness);
  const device = await factory.makeDevice(newSerial("DEMO", systemRandomness));
  log(`a factory made the device ${device.serial}`);
  const files = {
    anchor: join(directory, "ca.pem"),
    certificate: join(directory, "idevid.pem"),
    key: join(directory, "idevid.key"),
    ledger: join(directory, "ledger.json"),
  };
  const { root } = (await call("GET", "/ca")) as { readonly root: string };
  await writeFile(files.anchor, root, { mode: 0o600 });
  await writeFile(files.certificate, encodePem("CERTIFICATE", device.certificate), { mode: 0o600 });
  await writeFile(files.key, privateKeyToPem(device.key), { mode: 0o600 });

  const name = `example-devices-${device.serial.toLowerCase()}`;
  await call("POST", "/anchors", { name, pem: encodePem("CERTIFICATE", factory.certificate) });
  await call("POST", "/claims", { label: device.serial });
  log("its operator trusted the factory and claimed the serial number");

  await enrol([
    "--url",
    estUrl,
    "--ca",
    files.anchor,
    "--cert",
    files.certificate,
    "--key",
    files.key,
    "--name",
    device.serial,
    "--out",
    join(directory, "device"),
    "--ledger",
    files.ledger,
  ]);
  const ledger = JSON.parse(await readFile(files.ledger, "utf8")) as Run;
  await call("PUT", `/runs/${ledger.id}/device-ledger`, ledger);
  log("the device enrolled over TLS");
  return { run: ledger.id };
}

/** Removes what the demo keeps below the data directory, the device's keys above all; the service's records stay. */
export async function removeDemoFiles(data: string): Promise<void> {
  await rm(directoryOf(data), { recursive: true, force: true });
}

function directoryOf(data: string): string {
  return join(data, "demo");
}

/** The device as a process of its own, so that nothing but the network connects it with the service. */
function enrol(options: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const device = spawn(process.execPath, [program, "device", "est", ...options], {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: longest,
    });
    let said = "";
    const keep = (chunk: Buffer) => {
      said = (said + chunk.toString("utf8")).slice(-2000);
    };
    device.stdout.on("data", keep);
    device.stderr.on("data", keep);
    device.on("error", reject);
    device.on("close", (code) => {
      if (code === 0) resolve();
      else reject(new LabError("demo-failed", `the demo's device ended with ${code}: ${said.trim()}`));
    });
  });
}

const program = fileURLToPath(new URL("../../bin/hatchery.js", import.meta.url));
const longest = 60_000;
