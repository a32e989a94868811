import assert from "node:assert/strict";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpensslCa, opensslCa } from "../test/system/openssl-ca.ts";
import { type BuiltPeer, builtProgram, installBuilt } from "./built.ts";
import { checkDevice, deviceEst, tryDeviceEst } from "./device.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun, runsOf } from "./ledger.ts";
import {
  type Authorities,
  authoritiesIn,
  type Credential,
  checkCertificate,
  fingerprintOf,
  makeLeaf,
  makeRequest,
  unpackCertificates,
} from "./openssl.ts";
import {
  type CommandResult,
  command,
  type InteropContext,
  type InteropPeer,
  type InteropVariant,
  succeed,
} from "./peer.ts";
import { freePort, withServerProgram } from "./server-program.ts";

const libest: BuiltPeer = {
  peer: "libest",
  programs: [
    { name: "estclient", ask: ["-?"], says: /Available EST client options/ },
    { name: "estserver", ask: ["-?"], says: /Available EST server options/ },
  ],
  advice:
    "Build cisco/libest at a464ba8 with --disable-safec and CFLAGS that define FIPS_mode() and FIPS_mode_set(x), which OpenSSL 3 has no more, and put both into interop/.peers/libest",
};

const peer: InteropPeer = {
  protocol: "est",
  peer: libest.peer,
  packaged: false,
  install: (log) => installBuilt(libest, log),
  // Neither program says its version; the client sends it to every server.
  version: async () => "libest 3.2.0",
  variants: [
    serving("cacerts", async (bench) => {
      const { root } = await fetchAuthorities(bench);
      assert.equal(await fingerprintOf(root), await fingerprintOf(bench.hatchery.root), "the root that was stored");
      return "estclient verified and stored the CA's certificates, in lines of 64";
    }),

    serving("password", async (bench) => {
      await addUser(bench);
      const enrolled = await enrol(bench, "first", ["-e", "--common-name", "sensor-1", ...shownPassword]);
      await checkIssued(bench, enrolled, "sensor-1");
      const { link } = await grantedRun(bench.hatchery, "est/password", "sensor-1");
      return `estclient stored a certificate for its key; granted as est/password over ${link.split(" ")[0]}`;
    }),

    serving("binding", async (bench) => {
      await addUser(bench);
      const enrolled = await enrol(bench, "first", ["-e", "-z", "--common-name", "sensor-1", ...shownPassword]);
      await checkIssued(bench, enrolled, "sensor-1");
      const run = await grantedRun(bench.hatchery, "est/password", "sensor-1");
      assert.match(JSON.stringify(run.events), /"challengePassword":"present"/);
      return "estclient linked its request to the connection by tls-unique; granted as est/password";
    }),

    serving("renew", async (bench) => {
      await addUser(bench);
      const first = await enrol(bench, "first", ["-e", "--common-name", "sensor-1", ...shownPassword]);
      const shown = ["-c", first.certificate, "-k", first.key];
      const second = await enrol(bench, "second", ["-r", "-x", first.key, ...shown]);
      await checkIssued(bench, { ...second, key: first.key }, "sensor-1");
      await grantedRun(bench.hatchery, "est/reenroll", "sensor-1");
      return "estclient renewed its certificate under the old one, for the same key; granted as est/reenroll";
    }),

    serving("label", async (bench) => {
      await addUser(bench);
      await bench.hatchery.cli("ca", "profile", "set", "line7", "--lifetime", "3");
      const asked = ["-e", "--common-name", "sensor-1", "--path-seg", "line7", ...shownPassword];
      const enrolled = await enrol(bench, "first", asked);
      await checkIssued(bench, enrolled, "sensor-1");
      return "the path segment of estclient chose the profile of that name";
    }),

    serving("digest", async (bench) => {
      await addUser(bench, "--digest-md5");
      const enrolled = await enrol(bench, "first", ["-e", "--common-name", "sensor-1", ...shownPassword]);
      await checkIssued(bench, enrolled, "sensor-1");
      await grantedRun(bench.hatchery, "est/password", "sensor-1");
      return "estclient answered the challenge of Digest with MD5, the one algorithm that it knows; granted as est/password";
    }),

    serving("csrattrs", async (bench) => {
      const { hatchery, directory } = bench;
      const wishes = ["--keys", "P-384", "--binding", "required", "--csrattrs", "attributes"];
      await hatchery.cli("ca", "profile", "set", "device", ...wishes);
      const { output } = await bench.estclient("wishes", ["-a"]);
      const [file] = globSync("wishes/csr-*.base64", { cwd: directory });
      assert.ok(file !== undefined, `estclient stored no CSR attributes:\n${output}`);
      const said = Buffer.from(readFileSync(join(directory, file), "latin1"), "base64");
      const tree = await succeed("openssl", ["asn1parse", "-inform", "DER"], { input: said });
      for (const name of ["challengePassword", "id-ecPublicKey", "secp384r1"]) assert.match(tree, new RegExp(name));
      return "estclient stored that linking and a P-384 key are wanted, as openssl reads it";
    }),

    serving("serverkeygen", async (bench) => {
      await addUser(bench);
      // It takes an answer whose key is shorter than an RSA key for one that was cut.
      await bench.hatchery.cli("ca", "profile", "set", "device", "--server-key", "RSA-2048");
      const { key: signing } = await makeRequest(bench.directory, "asked", "sensor-1");
      const { output: said } = await bench.estclient("made", [
        "-q",
        "-x",
        signing,
        "--common-name",
        "sensor-1",
        ...shownPassword,
      ]);
      const directory = join(bench.directory, "made");
      const [message, key] = ["cert-*.pkcs7", "key-*.key"].map((pattern) => globSync(pattern, { cwd: directory })[0]);
      assert.ok(message !== undefined && key !== undefined, `estclient stored no key and certificate:\n${said}`);
      const body = readFileSync(join(directory, message), "utf8");
      const [certificate = ""] = await unpackCertificates(directory, "issued", body);
      const pem = join(directory, "key.pem");
      const pkcs8 = Buffer.from(readFileSync(join(directory, key), "latin1"), "base64");
      await succeed("openssl", ["pkey", "-inform", "DER", "-out", pem], { input: pkcs8 });
      await checkIssued(bench, { certificate, key: pem }, "sensor-1");
      return "estclient stored the private key that was made for it and the certificate of that key";
    }),

    serving("wrong-password", async (bench) => {
      await addUser(bench);
      const asked = ["-e", "--common-name", "sensor-1", "-u", user, "-h", "not the password"];
      const { output } = await bench.estclient("first", asked);
      assert.match(output, /EST_ERR_AUTH_FAIL/);
      // It asks without credentials first, to be told which ones are wanted.
      const reasons = (await runsOf(bench.hatchery)).map(({ reason }) => reason);
      assert.deepEqual(new Set(reasons), new Set(["credentials-missing", "credentials-wrong"]));
      return "estclient ended with EST_ERR_AUTH_FAIL; refused as credentials-missing, then as credentials-wrong";
    }),

    enrolling("device-enroll", [], async (bench) => {
      await checkDevice(await deviceEst(bench, bench.asked), bench, name);
      return "the device took the CA's certificates and one of its own from estserver, over HTTP Basic";
    }),

    enrolling("device-binding", ["-t"], async (bench) => {
      await checkDevice(await deviceEst(bench, bench.asked), bench, name);
      return "estserver demanded and accepted the device's tls-unique";
    }),

    enrolling("device-csrattrs", [], async (bench) => {
      const device = await deviceEst(bench, bench.asked);
      await checkDevice(device, bench, name);
      const made = await succeed("openssl", ["pkey", "-in", device.key, "-noout", "-text"]);
      assert.match(made, /secp384r1/);
      return "the device read the example of RFC 7030 4.5.2 from estserver and made a P-384 key";
    }),

    enrolling("device-digest", ["-h"], async (bench) => {
      await checkDevice(await deviceEst(bench, [...bench.asked, "--http-auth", "digest-md5"]), bench, name);
      return "the device answered estserver's challenge of Digest with MD5, which it was allowed to";
    }),

    enrolling("device-serverkeygen", [], async (bench) => {
      const device = await deviceEst(bench, [...bench.asked, "--csrattrs", "never", "--server-key"]);
      await checkDevice(device, bench, name);
      return "the device took the PKCS #1 key that estserver sends as application/pkcs8, and the certificate of that key";
    }),

    enrolling("device-wait", ["-m", "60"], async (bench) => {
      // estserver waits for nobody: it grants what comes a second time, and asks for a minute at least before that.
      const { code, output } = await tryDeviceEst(bench, [...bench.asked, "--patience", "1"]);
      assert.equal(code, 1);
      assert.match(output, /wait/);
      await checkDevice(await deviceEst(bench, bench.asked), bench, name);
      return "the device was told to wait, gave up, and was given its certificate for the kept key when it came again";
    }),

    enrolling("device-renew", ["-o"], async (bench) => {
      const first = await deviceEst(bench, bench.asked);
      const before = await fingerprintOf(first.certificate);
      const renewed = await deviceEst(bench, ["--url", bench.url, "--renew"]);
      await checkDevice(renewed, bench, name);
      assert.notEqual(await fingerprintOf(renewed.certificate), before);
      return "the device renewed its certificate under the old one, with a new key";
    }),
  ],
};
export default peer;

interface Serving {
  readonly hatchery: Hatchery;
  readonly directory: string;
  /** Runs estclient against Hatchery, its output below `directory`; its exit code says little. */
  readonly estclient: (output: string, args: readonly string[]) => Promise<CommandResult>;
}

interface Enrolling {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly url: string;
  readonly root: OpensslCa;
  readonly issuing: OpensslCa;
  /** Options of a first enrolment. */
  readonly asked: readonly string[];
}

/** estclient against Hatchery. */
function serving(name: string, run: (bench: Serving) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST server",
    run: ({ directory, signal }: InteropContext) =>
      withHatchery({ directory, signal }, (hatchery) => {
        const target = ["-s", "127.0.0.1", "-p", new URL(hatchery.url).port];
        return run({
          hatchery,
          directory,
          estclient(output, args) {
            const out = join(directory, output);
            mkdirSync(out, { recursive: true });
            const env = { EST_OPENSSL_CACERT: hatchery.root };
            return command(builtProgram(libest, "estclient"), [...args, ...target, "-o", out], { signal, env });
          },
        });
      }),
  };
}

/** Our device against estserver, which issues with `openssl ca`. */
function enrolling(
  variant: string,
  serverOptions: readonly string[],
  run: (bench: Enrolling) => Promise<string>,
): InteropVariant {
  return {
    name: variant,
    role: "EST client",
    async run({ directory, signal, log }: InteropContext) {
      const root = opensslCa(directory, "libest-root");
      const authority = { certificate: root.certificateFile, key: root.keyFile };
      const names = ["subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
      const server = await makeLeaf(directory, "server", authority, names);
      const together = join(directory, "server-and-key.pem");
      writeFileSync(together, readFileSync(server.certificate, "utf8") + readFileSync(server.key, "utf8"), {
        mode: 0o600,
      });
      const password = join(directory, "password");
      writeFileSync(password, "estpwd\n");
      const port = await freePort();
      const url = `https://127.0.0.1:${port}`;
      const program = {
        file: builtProgram(libest, "estserver"),
        args: ["-c", together, "-k", together, "-r", "estrealm", "-p", `${port}`, ...serverOptions],
        cwd: directory,
        env: environment(directory, root, variant),
        port,
        signal,
        log,
      };
      const asked = [
        ...["--url", url, "--ca", root.certificateFile, "--name", name],
        ...["--user", "estuser", "--password-file", password],
      ];
      return withServerProgram(program, () => run({ directory, signal, url, root, issuing: root, asked }));
    },
  };
}

/** Writes what `openssl ca` needs, and returns where estserver finds it. */
function environment(directory: string, root: OpensslCa, variant: string): Readonly<Record<string, string>> {
  const configuration = join(directory, "libest.cnf");
  writeFileSync(join(directory, "index.txt"), "");
  writeFileSync(join(directory, "serial"), "4000000000000001\n");
  writeFileSync(
    configuration,
    `[ca]
default_ca = own
[own]
database = ${directory}/index.txt
new_certs_dir = ${directory}
certificate = ${root.certificateFile}
private_key = ${root.keyFile}
serial = ${directory}/serial
default_days = 30
default_md = sha256
policy = any
unique_subject = no
x509_extensions = leaf
[any]
commonName = supplied
serialNumber = optional
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`,
  );
  return {
    EST_TRUSTED_CERTS: root.certificateFile,
    EST_CACERTS_RESP: root.certificateFile,
    EST_OPENSSL_CACONFIG: configuration,
    ...(variant === "device-csrattrs" ? { EST_CSR_ATTR: exampleAttributes } : {}),
  };
}

async function enrol(bench: Serving, output: string, args: readonly string[]): Promise<Credential> {
  const { output: said } = await bench.estclient(output, args);
  const directory = join(bench.directory, output);
  const [message] = globSync("cert-*.pkcs7", { cwd: directory });
  assert.ok(message !== undefined, `estclient stored no certificate:\n${said}`);
  const body = readFileSync(join(directory, message), "utf8");
  const certificates = await unpackCertificates(directory, "issued", body);
  assert.equal(certificates.length, 1, "certificates in the answer");
  const [key = ""] = globSync("key-*.pem", { cwd: directory });
  return { certificate: certificates[0] as string, key: join(directory, key) };
}

async function addUser({ hatchery, directory }: Serving, ...options: readonly string[]): Promise<void> {
  const file = join(directory, "password");
  writeFileSync(file, password, { mode: 0o600 });
  await hatchery.cli("est", "user", "add", user, "--devices", "sensor-*", "--password-file", file, ...options);
}

async function checkIssued(bench: Serving, { certificate, key }: Credential, commonName: string): Promise<void> {
  await checkCertificate(certificate, await fetchAuthorities(bench), { key, commonName });
}

async function fetchAuthorities(bench: Serving): Promise<Authorities> {
  const { output } = await bench.estclient("authorities", ["-g"]);
  const directory = join(bench.directory, "authorities");
  const [message] = globSync("cacert-*.pkcs7", { cwd: directory });
  assert.ok(message !== undefined, `estclient stored no certificates:\n${output}`);
  return authoritiesIn(
    await unpackCertificates(directory, "authority", readFileSync(join(directory, message), "utf8")),
  );
}

/** RFC 7030 4.5.2: challengePassword, secp384r1, macAddress and SHA-384. */
const exampleAttributes =
  "MEEGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiMBYGCSqGSIb3DQEJDjEJBgcrBgEBAQEWBggqhkjOPQQDAw==";
const name = "sensor-1";
const user = "installer";
const password = readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim();
const shownPassword = ["-u", user, "-h", password];
