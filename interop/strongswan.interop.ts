import assert from "node:assert/strict";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun } from "./ledger.ts";
import { type Authorities, authoritiesIn, checkCertificate, fingerprintOf } from "./openssl.ts";
import {
  command,
  type InteropContext,
  type InteropPeer,
  type InteropVariant,
  installDebianPackages,
  succeed,
} from "./peer.ts";

const peer: InteropPeer = {
  protocol: "est",
  peer: "strongswan-pki",
  // The plugins of the second package do ECDSA, the ones of the third do HTTPS.
  install: (log) =>
    installDebianPackages(
      ["strongswan-pki", "libstrongswan-standard-plugins", "libstrongswan-extra-plugins", "openssl"],
      log,
    ),
  async version() {
    const { output } = await command("pki", ["--help"]);
    return /strongSwan [\d.]+/.exec(output)?.[0] ?? "unknown";
  },
  variants: [
    variant("cacerts", async ({ hatchery, directory, pki }) => {
      const { root } = await fetchAuthorities({ hatchery, directory, pki });
      assert.equal(await fingerprintOf(root), await fingerprintOf(hatchery.root), "the root that pki stored");
      return "pki stored the CA's own root and the issuing CA beneath it";
    }),

    variant("password", async (bench) => {
      const enrolled = await enroll(bench, "sensor-1", await addUser(bench));
      await checkIssued(bench, enrolled, "sensor-1");
      const run = await grantedRun(bench.hatchery, "est/password", "sensor-1");
      return `pki stored a certificate for its key; granted as est/password over ${versionOf(run.link)}`;
    }),

    variant("anonymous-wait", async (bench) => {
      const { hatchery } = bench;
      await hatchery.cli("rule", "add", "wait", "--credential", "anonymous");
      const enrolling = enroll(bench, "sensor-2", ["--interval", "1", "--maxpolltime", "60"]);
      const [enrolled] = await Promise.all([enrolling, approveOnly(hatchery, enrolling)]);
      await checkIssued(bench, enrolled, "sensor-2");
      const run = await grantedRun(hatchery, "est/anonymous", "sensor-2");
      const pending = run.events.filter((event) => event.kind === "frame" && event.name === "simpleenroll pending");
      assert.equal(pending.length, 1, "answers that told the device to wait, in the ledger");
      const approved = run.events.some((event) => event.kind === "user" && event.action === "approve-in-console");
      assert.ok(approved, "the ledger does not tell who approved");
      return `pki was told to wait, asked again and stored a certificate after the approval; granted as est/anonymous over ${versionOf(run.link)}`;
    }),

    variant("renew", async (bench) => {
      const first = await enroll(bench, "sensor-3", await addUser(bench));
      const old = ["--cert", first.certificate, "--key", first.key];
      const second = await enroll(bench, "sensor-3", old, "renewed");
      await checkIssued(bench, second, "sensor-3");
      assert.notEqual(await fingerprintOf(second.certificate), await fingerprintOf(first.certificate));
      const run = await grantedRun(bench.hatchery, "est/reenroll", "sensor-3");
      return `pki renewed its certificate under the old one, with a new key; granted as est/reenroll over ${versionOf(run.link)}`;
    }),
  ],
};
export default peer;

interface Bench {
  readonly hatchery: Hatchery;
  readonly directory: string;
  /** Runs `pki`, which must end well, and returns its standard output. */
  readonly pki: (...args: readonly string[]) => Promise<string>;
}

function variant(name: string, run: (bench: Bench) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST server",
    run: ({ directory, signal }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) =>
        run({ hatchery, directory, pki: (...args) => succeed("pki", args, { signal, cwd: directory }) }),
      ),
  };
}

interface Enrolled {
  readonly key: string;
  readonly certificate: string;
}

/** A key, a request and a certificate for `name`, all by pki. */
async function enroll(
  { hatchery, directory, pki }: Bench,
  name: string,
  args: readonly string[],
  file = name,
): Promise<Enrolled> {
  const path = (suffix: string) => join(directory, `${file}.${suffix}`);
  const [key, request, certificate] = [path("key"), path("csr"), path("pem")];
  writeFileSync(key, await pki("--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem"), { mode: 0o600 });
  const subject = ["--dn", `CN=${name}`, "--outform", "pem"];
  writeFileSync(request, await pki("--req", "--type", "ecdsa", "--in", key, ...subject));
  const asked = ["--est", "--url", hatchery.url, "--in", request, "--cacert", hatchery.root, "--outform", "pem"];
  writeFileSync(certificate, await pki(...asked, ...args));
  return { key, certificate };
}

async function checkIssued(bench: Bench, { key, certificate }: Enrolled, commonName: string): Promise<void> {
  await checkCertificate(certificate, await fetchAuthorities(bench), { key, commonName });
}

/** Root and issuing CA as pki stores them: the template is the name of the first file, the others get a number. */
async function fetchAuthorities({ hatchery, directory, pki }: Bench): Promise<Authorities> {
  const template = join(directory, "authority.pem");
  const args = ["--estca", "--url", hatchery.url, "--cacert", hatchery.root, "--caout", template];
  await pki(...args, "--outform", "pem", "--force");
  return authoritiesIn(globSync("authority*.pem", { cwd: directory }).map((file) => join(directory, file)));
}

/** Makes a user who may enrol sensors, and returns the options with which pki shows who it is. */
async function addUser({ hatchery, directory }: Bench): Promise<readonly string[]> {
  const file = join(directory, "password");
  writeFileSync(file, password, { mode: 0o600 });
  await hatchery.cli("est", "user", "add", user, "--devices", "sensor-*", "--password-file", file);
  // From a file, so that the password stands neither in the list of processes nor in the error of a failed command.
  const options = join(directory, "options");
  writeFileSync(options, `--userpass ${user}:${password}\n`, { mode: 0o600 });
  return ["--options", options];
}

/** Approves the one request that waits, as soon as it does; ends without doing so when `asking` ends first. */
async function approveOnly(hatchery: Hatchery, asking: Promise<unknown>): Promise<void> {
  let asked = true;
  const over = () => {
    asked = false;
  };
  asking.then(over, over);
  while (asked) {
    const path = "/api/v1/tenants/default/approvals";
    const { items } = await hatchery.api<{ readonly items: readonly { readonly id: string }[] }>("GET", path);
    const [first] = items;
    if (first !== undefined) {
      assert.equal(items.length, 1, "requests that wait");
      await hatchery.cli("approve", first.id);
      return;
    }
    await delay(approvalPoll);
  }
}

/** The TLS version of a run's link, without the suite, which may differ between builds of the peer. */
function versionOf(link: string): string {
  return link.split(" ")[0] ?? link;
}

const user = "installer";
const password = readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim();
const approvalPoll = 200;
