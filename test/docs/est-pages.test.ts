import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { startService, type TestService } from "../est/service.ts";
import { root, type Sample, samplesIn } from "./samples.ts";

/**
 * What the pages about EST tell people to type is typed here, in the order of the pages, in one directory, to one real service. The
 * names of the pages stand for this machine: est.example:8443 for the port of devices, est.example:8445 for pre-shared keys.
 */

let service: TestService;
/** Where the reader works, and has the package installed. */
let directory: string;

before(async () => {
  service = await startService({ pskPort: 0, clientCert: { port: 0, proxies: ["127.0.0.1"] } });
  directory = join(service.data, "reader");
  const bin = join(service.data, "bin");
  await Promise.all([directory, bin].map((path) => mkdir(path, { mode: 0o700 })));
  const command = join(bin, "hatchery");
  await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${root}bin/hatchery.js" "$@"\n`);
  await chmod(command, 0o755);
  await mkdir(join(directory, "node_modules"));
  await symlink(root, join(directory, "node_modules", "hatchery"));
  await furnish();
});

after(() => service.close());

/** What the pages take for granted: a manufacturer that is trusted, and a device of it that is claimed. */
async function furnish(): Promise<void> {
  const { certificate, key } = await service.factory.makeDevice("SN-12345");
  const file = (name: string, text: string) => writeFile(join(directory, name), text, { mode: 0o600 });
  await file("anchor.pem", encodePem("CERTIFICATE", service.root));
  await file("idevid.pem", encodePem("CERTIFICATE", certificate));
  await file("idevid.key", privateKeyToPem(key));
  await service.call("POST", "/claims", { label: "SN-12345" });
}

for (const page of ["README.md", "docs/est.md", "docs/est-devices.md"]) {
  for (const sample of samplesIn(page)) {
    if (sample.language === "sh") test(`ok/${sample.name}`, () => shell(sample));
    if (sample.language === "ts") test(`ok/${sample.name}`, () => program(sample));
  }
}

function onThisMachine(text: string): string {
  return text
    .replaceAll("est.example:8443", `127.0.0.1:${service.port}`)
    .replaceAll("est.example:8445", `127.0.0.1:${service.door("psk")}`)
    .replaceAll(/host: "est\.example",\s+port: 8443/g, `host: "127.0.0.1", port: ${service.port}`)
    .replaceAll(/host: "est\.example",\s+port: 8445/g, `host: "127.0.0.1", port: ${service.door("psk")}`);
}

async function shell({ text }: Sample): Promise<void> {
  await run("bash", ["-euo", "pipefail", "-c", onThisMachine(text)]);
}

async function program({ text }: Sample): Promise<void> {
  const file = join(directory, "sample.ts");
  await writeFile(file, onThisMachine(text));
  await run(process.execPath, ["--conditions=hatchery:source", file], text.includes("SIGTERM"));
}

/** `endless`: what it runs for as long as nobody ends it, which is done when it has said something. */
function run(file: string, args: readonly string[], endless = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      PATH: `${join(service.data, "bin")}:${process.env["PATH"]}`,
      HATCHERY_DATA: service.data,
      NO_COLOR: "1",
    };
    const child = spawn(file, args, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part: string) => {
        output += part;
        if (endless) child.kill("SIGTERM");
      });
    child.on("error", reject).on("close", (code) => {
      if (code === 0) resolve();
      else reject(new assert.AssertionError({ message: `it ended with code ${code}:\n${output}` }));
    });
  });
}
