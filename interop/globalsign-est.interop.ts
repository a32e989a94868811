import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { HatcheryError } from "../src/core/errors.ts";
import { type OpensslCa, opensslCa } from "../test/system/openssl-ca.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun } from "./ledger.ts";
import { checkCertificate, makeIdevid, makeLeaf, makeManufacturer } from "./openssl.ts";
import { command, type InteropContext, type InteropPeer, type InteropVariant, type Log } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: "globalsign-est",
  packaged: false,
  install,
  version: async () => (await command("estserver", ["-version"])).output.split("\n", 1)[0] ?? "unknown",
  variants: [
    variant("upstream-password", async (bench) => {
      const { hatchery, directory, upstream } = bench;
      const password = join(directory, "password");
      writeFileSync(password, "secret\n");
      await hatchery.cli("ca", "upstream", "set", ...upstream, "--user", "hatchery", "--password-file", password);
      await onboard(bench, "never");
      return "the device's request went up and its certificate came back; granted as est/idevid";
    }),

    variant("upstream-ra", async (bench) => {
      const { hatchery, directory, upstream, issuing } = bench;
      const ra = await makeLeaf(directory, "ra", filesOf(issuing), ["extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"]);
      await hatchery.cli("ca", "upstream", "set", ...upstream, "--cert", ra.certificate, "--key", ra.key);
      await onboard(bench, "auto");
      return "a registration authority's request with the device's channel binding was certified; granted as est/idevid";
    }),
  ],
};
export default peer;

interface Bench {
  readonly hatchery: Hatchery;
  readonly directory: string;
  /** Options that name the running upstream and its root. */
  readonly upstream: readonly string[];
  readonly root: OpensslCa;
  readonly issuing: OpensslCa;
}

function variant(name: string, run: (bench: Bench) => Promise<string>): InteropVariant {
  return {
    name,
    role: "registration authority",
    run: ({ directory, signal, log }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) =>
        withUpstream(directory, signal, log, (started) => run({ hatchery, directory, ...started })),
      ),
  };
}

/** Onboards a device by its manufacturer's certificate, and holds what it got against the upstream's CA. */
async function onboard({ hatchery, directory, root, issuing }: Bench, binding: "auto" | "never"): Promise<void> {
  const manufacturer = await makeManufacturer(directory, "Example");
  const device = await makeIdevid(directory, manufacturer, serial);
  await hatchery.cli("trust", "add", manufacturer.certificate, "--name", "example");
  await hatchery.cli("claim", serial);
  const out = join(directory, "device");
  const credential = ["--cert", device.certificate, "--key", device.key, "--name", serial, "--out", out];
  await hatchery.cli(
    "device",
    "est",
    "--url",
    hatchery.url,
    "--ca",
    hatchery.root,
    ...credential,
    "--binding",
    binding,
  );
  const wanted = { key: join(out, "current", "key.pem"), commonName: serial };
  const authorities = { root: root.certificateFile, issuing: issuing.certificateFile };
  await checkCertificate(join(out, "current", "cert.pem"), authorities, wanted);
  assert.match(readFileSync(join(out, "current", "ca.pem"), "utf8"), new RegExp(body(root)));
  await grantedRun(hatchery, "est/idevid", serial);
}

/** Runs `use` beside an EST server of its own, over a CA that openssl made. */
async function withUpstream(
  directory: string,
  signal: AbortSignal,
  log: Log,
  use: (started: Pick<Bench, "upstream" | "root" | "issuing">) => Promise<string>,
): Promise<string> {
  const root = opensslCa(directory, "upstream-root", { algorithm: "RSA-2048" });
  const issuing = opensslCa(directory, "upstream-issuing", { algorithm: "RSA-2048", issuer: root });
  const names = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
  const server = await makeLeaf(directory, "server", filesOf(issuing), names);
  const chain = join(directory, "upstream-chain.pem");
  writeFileSync(chain, issuing.certificate + root.certificate);
  const port = await freePort();
  const configuration = join(directory, "estserver.json");
  const address = `127.0.0.1:${port}`;
  const settings = {
    mock_ca: { certificates: chain, private_key: issuing.keyFile },
    tls: { listen_address: address, certificates: server.certificate, private_key: server.key, client_cas: [chain] },
    allowed_hosts: ["127.0.0.1"],
    healthcheck_password: "unused",
    rate_limit: 1000,
    timeout: 30,
  };
  writeFileSync(server.certificate, readFileSync(server.certificate, "utf8") + issuing.certificate);
  writeFileSync(configuration, JSON.stringify(settings));
  const child = spawn("estserver", ["-config", configuration], { stdio: ["ignore", "ignore", "pipe"], signal });
  child.stderr.setEncoding("utf8").on("data", (text: string) => log(text.trimEnd()));
  child.on("error", () => {});
  try {
    await listening(port, signal);
    const url = `https://${address}/.well-known/est`;
    return await use({ upstream: ["--url", url, "--anchor", root.certificateFile], root, issuing });
  } finally {
    child.kill("SIGTERM");
  }
}

async function install(log: Log): Promise<void> {
  const found = () =>
    command("estserver", ["-version"]).then(
      ({ code }) => code === 0,
      () => false,
    );
  if (await found()) return;
  const words = ["install", `${program}@latest`];
  log(`go ${words.join(" ")}`);
  const { output } = await command("go", words);
  if (await found()) return;
  throw new HatcheryError(
    "not-installed",
    `estserver is not in the PATH, and go ${words.join(" ")} said: ${output.trim()}`,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Resolves when something listens on the port of this machine. */
async function listening(port: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open) return;
    await delay(50, undefined, { signal });
  }
}

function filesOf({ certificateFile, keyFile }: OpensslCa) {
  return { certificate: certificateFile, key: keyFile };
}

/** A line of base64 that stands in this certificate alone. */
function body({ certificate }: OpensslCa): string {
  return (certificate.trim().split("\n").at(-2) ?? "").replace(/[+/]/g, "\\$&");
}

const program = "github.com/globalsign/est/cmd/estserver";
const serial = "EX-0001";
