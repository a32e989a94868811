import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OpensslCa } from "../test/system/openssl-ca.ts";
import { builtProgram, installBuilt } from "./built.ts";
import { checkDevice, deviceEst } from "./device.ts";
import { type Estserver, filesOf, globalsign, withEstserver } from "./globalsign-server.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun, refusedRun } from "./ledger.ts";
import {
  type Authorities,
  authoritiesIn,
  type Credential,
  checkCertificate,
  fingerprintOf,
  makeIdevid,
  makeLeaf,
  makeManufacturer,
  makeRequest,
  splitCertificates,
} from "./openssl.ts";
import { command, type InteropContext, type InteropPeer, type InteropVariant, succeed } from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: globalsign.peer,
  packaged: false,
  install: (log) => installBuilt(globalsign, log),
  version: async () =>
    (await command(builtProgram(globalsign, "estserver"), ["-version"])).output.split("\n", 1)[0] ?? "",
  variants: [
    serving("cacerts", async (bench) => {
      const { root } = await fetchAuthorities(bench);
      assert.equal(await fingerprintOf(root), await fingerprintOf(bench.hatchery.root), "the root that was stored");
      return "estclient stored the CA's own root and the issuing CA beneath it";
    }),

    serving("password", async (bench) => {
      const enrolled = await enrolByPassword(bench);
      await checkIssued(bench, enrolled, "sensor-1");
      const { link } = await grantedRun(bench.hatchery, "est/password", "sensor-1");
      return `estclient stored a certificate for its key; granted as est/password over ${link.split(" ")[0]}`;
    }),

    serving("idevid", async (bench) => {
      const device = await claimedDevice(bench);
      const enrolled = await enrol(bench, "simpleenroll", "ldevid", serial, shown(device));
      await checkIssued(bench, enrolled, serial);
      await grantedRun(bench.hatchery, "est/idevid", serial);
      return "estclient showed the manufacturer's certificate and stored one of the CA; granted as est/idevid";
    }),

    serving("renew", async (bench) => {
      const first = await enrolByPassword(bench);
      const second = await enrol(bench, "simplereenroll", "renewed", "sensor-1", shown(first));
      await checkIssued(bench, second, "sensor-1");
      assert.notEqual(await fingerprintOf(second.certificate), await fingerprintOf(first.certificate));
      await grantedRun(bench.hatchery, "est/reenroll", "sensor-1");
      return "estclient renewed its certificate under the old one, with a new key; granted as est/reenroll";
    }),

    serving("renew-same-key", async (bench) => {
      const first = await enrolByPassword(bench);
      // Without a request of its own estclient copies the names of the certificate and signs with its key.
      const certificate = join(bench.directory, "renewed.pem");
      await bench.estclient("reenroll", ...shown(first), "-out", certificate);
      await checkIssued(bench, { certificate, key: first.key }, "sensor-1");
      await grantedRun(bench.hatchery, "est/reenroll", "sensor-1");
      return "estclient renewed its certificate for the same key; granted as est/reenroll";
    }),

    serving("label", async (bench) => {
      await bench.hatchery.cli("ca", "profile", "set", "line7", "--lifetime", "3");
      const enrolled = await enrolByPassword(bench, ["-aps", "line7"]);
      await checkIssued(bench, enrolled, "sensor-1");
      const days = await succeed("openssl", [
        "x509",
        "-in",
        enrolled.certificate,
        "-noout",
        "-checkend",
        "345600",
      ]).then(
        () => "more",
        () => "at most",
      );
      assert.equal(days, "at most", "the certificate is valid for four days more");
      return "the additional path segment of estclient chose the profile of that name";
    }),

    serving("csrattrs", async (bench) => {
      assert.equal((await bench.estclient("csrattrs")).trim(), "", "a profile that asks for nothing");
      const wishes = ["--keys", "P-384", "--binding", "required", "--csrattrs", "attributes"];
      await bench.hatchery.cli("ca", "profile", "set", "line7", ...wishes);
      const said = await bench.estclient("csrattrs", "-aps", "line7");
      for (const oid of [challengePassword, ecPublicKey, secp384r1]) assert.match(said, new RegExp(oid));
      return "estclient read that linking and a P-384 key are wanted, and no wishes where there are none";
    }),

    serving("serverkeygen", async (bench) => {
      const { hatchery, directory } = bench;
      await addUser(bench);
      await hatchery.cli("ca", "profile", "set", "device", "--server-key", "P-256");
      const [certificate, key] = [join(directory, "made.pem"), join(directory, "made.key")];
      const shown = ["-user", user, "-pass", password, "-cn", "sensor-1"];
      await bench.estclient("serverkeygen", ...shown, "-out", certificate, "-keyout", key);
      await checkIssued(bench, { certificate, key }, "sensor-1");
      return "estclient stored the private key that was made for it and the certificate of that key";
    }),

    serving("wrong-password", async (bench) => {
      await addUser(bench);
      const { request } = await makeRequest(bench.directory, "sensor-1", "sensor-1");
      const wrong = ["-user", user, "-pass", "not the password"];
      const { code, output } = await bench.tryEstclient("enroll", "-csr", request, ...wrong);
      assert.notEqual(code, 0);
      assert.match(output, /This request is not authenticated\./);
      await refusedRun(bench.hatchery, "credentials-wrong");
      return "estclient showed the sentence of the 401; refused as credentials-wrong";
    }),

    certifying("upstream-password", async (bench) => {
      const { hatchery, directory, upstream } = bench;
      const password = join(directory, "password");
      writeFileSync(password, "secret\n");
      await hatchery.cli("ca", "upstream", "set", ...upstream, "--user", "hatchery", "--password-file", password);
      await onboard(bench, "never");
      return "the device's request went up and its certificate came back; granted as est/idevid";
    }),

    certifying("upstream-ra", async (bench) => {
      const { hatchery, directory, upstream, server } = bench;
      const purposes = ["extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"];
      const ra = await makeLeaf(directory, "ra", filesOf(server.issuing), purposes);
      await hatchery.cli("ca", "upstream", "set", ...upstream, "--cert", ra.certificate, "--key", ra.key);
      await onboard(bench, "auto");
      return "a registration authority's request with the device's channel binding was certified; granted as est/idevid";
    }),

    enrolling("device-enroll", async (bench) => {
      const device = await deviceEst(bench, bench.asked());
      await checkDevice(device, bench.server, "sensor-1");
      await checkAnchors(device.authorities, bench.server);
      return "the device took the CA's certificates and one of its own from estserver";
    }),

    enrolling("device-renew", async (bench) => {
      const first = await deviceEst(bench, bench.asked());
      const before = await fingerprintOf(first.certificate);
      const renewed = await deviceEst(bench, ["--url", bench.server.url, "--renew"]);
      await checkDevice(renewed, bench.server, "sensor-1");
      assert.notEqual(await fingerprintOf(renewed.certificate), before);
      return "the device renewed its certificate under the old one, with a new key";
    }),

    enrolling("device-label", async (bench) => {
      const device = await deviceEst(bench, bench.asked("/line7"));
      await checkDevice(device, bench.server, "sensor-1");
      return "the device enrolled below an additional path segment of estserver";
    }),

    enrolling("device-serverkeygen", async (bench) => {
      const device = await deviceEst(bench, [...bench.asked(), "--server-key"]);
      await checkDevice(device, bench.server, "sensor-1");
      return "the device took the private key that estserver made, and the certificate of that key";
    }),

    enrolling("device-key-kinds", async (bench) => {
      for (const kind of ["P-384", "RSA-2048"] as const) {
        const out = join(bench.directory, kind);
        const device = await deviceEst({ ...bench, out }, [...bench.asked(), "--key-kind", kind]);
        await checkDevice(device, bench.server, "sensor-1");
      }
      return "the device got certificates for a P-384 and an RSA key";
    }),
  ],
};
export default peer;

interface Serving {
  readonly hatchery: Hatchery;
  readonly directory: string;
  /** Runs estclient against Hatchery; it must end well. */
  readonly estclient: (operation: string, ...args: readonly string[]) => Promise<string>;
  readonly tryEstclient: (operation: string, ...args: readonly string[]) => ReturnType<typeof command>;
}

interface Certifying {
  readonly hatchery: Hatchery;
  readonly directory: string;
  readonly server: Estserver;
  /** Options that name the running upstream and its root. */
  readonly upstream: readonly string[];
}

interface Enrolling {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly server: Estserver;
  /** Options of a first enrolment as `sensor-1`; estserver asks nobody for a password, and needs none. */
  readonly asked: (label?: string) => readonly string[];
}

/** estclient against Hatchery. */
function serving(name: string, run: (bench: Serving) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST server",
    run: ({ directory, signal }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) => {
        const file = builtProgram(globalsign, "estclient");
        const target = ["-server", new URL(hatchery.url).host, "-explicit", hatchery.root];
        const words = (operation: string, args: readonly string[]) => [operation, ...target, ...args];
        return run({
          hatchery,
          directory,
          estclient: (operation, ...args) => succeed(file, words(operation, args), { signal }),
          tryEstclient: (operation, ...args) => command(file, words(operation, args), { signal }),
        });
      }),
  };
}

/** A device that Hatchery onboards with certificates of estserver. */
function certifying(name: string, run: (bench: Certifying) => Promise<string>): InteropVariant {
  return {
    name,
    role: "registration authority",
    run: ({ directory, signal, log }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) =>
        withEstserver({ directory, signal, log }, (server) => {
          const url = `${server.url}/.well-known/est`;
          const upstream = ["--url", url, "--anchor", server.root.certificateFile];
          return run({ hatchery, directory, server, upstream });
        }),
      ),
  };
}

/** Our device against estserver. */
function enrolling(name: string, run: (bench: Enrolling) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST client",
    run: ({ directory, signal, log }: InteropContext) =>
      withEstserver({ directory, signal, log }, (server) => {
        const password = join(directory, "password");
        writeFileSync(password, "unused\n");
        const asked = (label = "") => [
          ...["--url", `${server.url}${label}`, "--ca", server.root.certificateFile, "--name", "sensor-1"],
          ...["--user", "sensor", "--password-file", password],
        ];
        return run({ directory, signal, server, asked });
      }),
  };
}

/** A key, a request by openssl and a certificate for it. */
async function enrol(
  { directory, estclient }: Serving,
  operation: "simpleenroll" | "simplereenroll",
  file: string,
  commonName: string,
  args: readonly string[],
): Promise<Credential> {
  const { key, request } = await makeRequest(directory, file, commonName);
  const certificate = join(directory, `${file}.pem`);
  const command = operation === "simpleenroll" ? "enroll" : "reenroll";
  await estclient(command, "-csr", request, ...args, "-out", certificate);
  return { certificate, key };
}

async function enrolByPassword(bench: Serving, args: readonly string[] = []): Promise<Credential> {
  await addUser(bench);
  return enrol(bench, "simpleenroll", "sensor-1", "sensor-1", ["-user", user, "-pass", password, ...args]);
}

async function addUser({ hatchery, directory }: Serving): Promise<void> {
  const file = join(directory, "password");
  writeFileSync(file, password, { mode: 0o600 });
  await hatchery.cli("est", "user", "add", user, "--devices", "sensor-*", "--password-file", file);
}

async function claimedDevice({ hatchery, directory }: Pick<Serving, "hatchery" | "directory">): Promise<Credential> {
  const manufacturer = await makeManufacturer(directory, "Example");
  const device = await makeIdevid(directory, manufacturer, serial);
  await hatchery.cli("trust", "add", manufacturer.certificate, "--name", "example");
  await hatchery.cli("claim", serial);
  return device;
}

/** Options with which estclient shows a certificate. */
function shown({ certificate, key }: Credential): readonly string[] {
  return ["-certs", certificate, "-key", key];
}

async function checkIssued(bench: Serving, { certificate, key }: Credential, commonName: string): Promise<void> {
  await checkCertificate(certificate, await fetchAuthorities(bench), { key, commonName });
}

async function fetchAuthorities({ directory, estclient }: Serving): Promise<Authorities> {
  const file = join(directory, "cacerts.pem");
  await estclient("cacerts", "-out", file);
  return authoritiesIn(splitCertificates(directory, "authority", readFileSync(file, "utf8")));
}

/** Onboards a device by its manufacturer's certificate, and holds what it got against the upstream's CA. */
async function onboard({ hatchery, directory, server }: Certifying, binding: "auto" | "never"): Promise<void> {
  const device = await claimedDevice({ hatchery, directory });
  const out = join(directory, "device");
  const credential = ["--cert", device.certificate, "--key", device.key, "--name", serial, "--out", out];
  const target = ["--url", hatchery.url, "--ca", hatchery.root];
  await hatchery.cli("device", "est", ...target, ...credential, "--binding", binding);
  const current = (name: string) => join(out, "current", name);
  const files = { out, certificate: current("cert.pem"), key: current("key.pem"), authorities: current("ca.pem") };
  await checkDevice(files, server, serial);
  assert.match(readFileSync(files.authorities, "utf8"), new RegExp(lineOf(server.root)));
  await grantedRun(hatchery, "est/idevid", serial);
}

async function checkAnchors(file: string, { root }: Estserver): Promise<void> {
  assert.match(readFileSync(file, "utf8"), new RegExp(lineOf(root)), "the root is not among the anchors");
}

/** A line of base64 that stands in this certificate alone. */
function lineOf({ certificate }: OpensslCa): string {
  return (certificate.trim().split("\n").at(-2) ?? "").replace(/[+/]/g, "\\$&");
}

const challengePassword = "1\\.2\\.840\\.113549\\.1\\.9\\.7";
const ecPublicKey = "1\\.2\\.840\\.10045\\.2\\.1";
const secp384r1 = "1\\.3\\.132\\.0\\.34";
const serial = "EX-0001";
const user = "installer";
const password = readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim();
