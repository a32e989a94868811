import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { currentAnchors, currentIdentity } from "../../src/device/identity.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { formatName } from "../../src/pki/name.ts";
import type { CaImportReport } from "../../src/service/ca-import.ts";
import { caChainIn } from "../../src/service/ca-import-chain.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";
import { hatchery } from "./hatchery.ts";
import { type OpensslCa, type OpensslCaOptions, opensslCa, opensslEncrypted, opensslVerify } from "./openssl-ca.ts";

// Issuing CAs that openssl made, brought into a running service.

let directory: string;
let service: TestService;

before(async () => {
  directory = mkdtempSync(join(tmpdir(), "hatchery-ca-"));
  service = await startService();
});

after(async () => {
  await service.close();
  rmSync(directory, { recursive: true });
});

interface ImportBody {
  readonly certificate: string;
  readonly chain?: string;
  readonly key: { readonly pem: string } | { readonly reference: string };
  readonly dryRun?: boolean;
}

function importing(body: ImportBody): Promise<CaImportReport> {
  return service.call("POST", "/ca/import", body);
}

function filesOf(issuing: OpensslCa, ...issuers: readonly OpensslCa[]): ImportBody {
  return {
    certificate: issuing.certificate,
    chain: issuers.map(({ certificate }) => certificate).join(""),
    key: { pem: issuing.key },
  };
}

/** A root and the issuing CA below it. */
function hierarchy(name: string, algorithm: OpensslCaOptions["algorithm"] = "P-256") {
  const root = opensslCa(directory, `${name} root`, { algorithm });
  return { root, issuing: opensslCa(directory, `${name} issuing`, { algorithm, issuer: root }) };
}

const derOf = (ca: OpensslCa) => decodePem(ca.certificate)[0]?.bytes as Uint8Array;

/** Onboards a new device that knows `root` alone. */
async function onboard(name: string, root: Uint8Array) {
  await service.call("POST", "/claims", { label: name });
  return enrolDevice(service, "simpleenroll", name, {
    identity: await manufactured(service, name),
    server: { host: "127.0.0.1", port: service.port, trust: { kind: "explicit", anchors: [root] } },
  });
}

async function refused(body: ImportBody, status: number, sentence: RegExp): Promise<void> {
  const before = service.rows("authorities");
  await assert.rejects(importing(body), (error: Error) => {
    assert.match(error.message, new RegExp(`^POST /ca/import: ${status} `));
    assert.match(error.message, sentence);
    assert.doesNotMatch(error.message, /PRIVATE KEY/);
    return true;
  });
  assert.deepEqual(service.rows("authorities"), before);
}

test("ok/a dry run tells what would happen, and changes nothing", async () => {
  const { root, issuing } = hierarchy("Dry");
  const stored = service.rows("authorities");
  const report = await importing({ ...filesOf(issuing, root), dryRun: true });
  assert.deepEqual(
    [report.issuing.subject, report.issuers.map(({ subject }) => subject), report.followed],
    ["CN=Dry issuing,O=Example", ["CN=Dry root,O=Example"], true],
  );
  assert.match(report.retires.subject, /^CN=default issuing [0-9a-f]{6},O=Hatchery$/);
  assert.deepEqual(service.rows("authorities"), stored);
});

/** Renews the certificate of a device that goes by `anchors`. */
async function renew(name: string, anchors: readonly Uint8Array[]) {
  const identity = await currentIdentity(join(service.data, "devices", name));
  if (identity === undefined) return assert.fail(`${name} has no certificate to renew`);
  return enrolDevice(service, "simplereenroll", name, {
    identity: { credential: "ldevid", ...identity },
    server: { host: "127.0.0.1", port: service.port, trust: { kind: "explicit", anchors } },
  });
}

test("ok/an older device follows, renews, and goes by the new root from then on", async () => {
  const { root, issuing } = hierarchy("Followed");
  await onboard("OLD-1", service.root);
  assert.equal((await importing(filesOf(issuing, root))).followed, true);
  const renewed = await renew("OLD-1", [service.root]);
  assert.equal(formatName(renewed.certificate.issuer), "CN=Followed issuing,O=Example");
  const anchors = await currentAnchors(join(service.data, "devices", "OLD-1"));
  assert.deepEqual(anchors?.map(hex), [hex(derOf(root))]);
  await service.restart();
  const again = await renew("OLD-1", anchors ?? []);
  assert.equal(formatName(again.certificate.issuer), "CN=Followed issuing,O=Example");
});

test("fail/another CA while devices follow: those that have not would be left behind", async () => {
  const { root, issuing } = hierarchy("Hasty");
  await refused(filesOf(issuing, root), 409, /"conflict".*hatchery ca rollover finish/);
});

test("ok/the former CA is ended like one that was rolled over, once nobody needs it", async () => {
  await service.call("POST", "/ca/rollover", { step: "finish" });
  const ended = service.rows("authorities").filter(({ state }) => state === "ended");
  assert.deepEqual(ended.map(({ name }) => name).toSorted(), ["issuing-1", "new-with-old-2", "root-1"]);
  await assert.rejects(renew("OLD-1", [service.root]), { code: "server-not-trusted" });
  assert.ok(await renew("OLD-1", (await currentAnchors(join(service.data, "devices", "OLD-1"))) ?? []));
});

test("ok/a CA two levels below its root, in a file with its chain, replaces another below the same root", async () => {
  const root = opensslCa(directory, "Deep root");
  const policy = opensslCa(directory, "Deep policy", { issuer: root });
  const [first, second] = ["Deep issuing", "Deep issuing 2"].map((name) =>
    opensslCa(directory, name, { issuer: policy, basicConstraints: "CA:TRUE,pathlen:0" }),
  ) as [OpensslCa, OpensslCa];
  for (const [name, issuing] of [
    ["DEEP-1", first],
    ["DEEP-2", second],
  ] as const) {
    const certificate = [issuing, root, policy].map((ca) => ca.certificate).join("");
    const report = await importing({ certificate, key: { pem: issuing.key } });
    assert.deepEqual(
      report.issuers.map(({ subject }) => subject),
      ["CN=Deep policy,O=Example", "CN=Deep root,O=Example"],
    );
    // The key of the root that was imported before is not here: nobody can certify this one for it.
    assert.equal(report.followed, issuing === second);
    const device = await onboard(name, derOf(root));
    opensslVerify(directory, encodePem("CERTIFICATE", device.certificate.raw), root, [issuing, policy]);
  }
  // What the first one issued is still the device's own.
  assert.equal(formatName((await renew("DEEP-1", [derOf(root)])).certificate.issuer), "CN=Deep issuing 2,O=Example");
});

for (const algorithm of ["P-256", "P-384", "RSA-2048", "RSA-3072"] as const)
  test(`ok/a CA of ${algorithm} issues to new devices, which know its root alone`, async () => {
    const { root, issuing } = hierarchy(algorithm, algorithm);
    const report = await importing(filesOf(issuing, root));
    assert.equal(report.issuing.subject, `CN=${algorithm} issuing,O=Example`);
    const exported = await service.call<{ readonly root: string }>("GET", "/ca");
    assert.equal(exported.root, encodePem("CERTIFICATE", derOf(root)));
    const { certificate, chain } = await onboard(`SN-${algorithm}`, derOf(root));
    assert.equal(formatName(certificate.issuer), report.issuing.subject);
    assert.deepEqual(
      chain.map(({ subject }) => formatName(subject)),
      [report.issuing.subject],
    );
    opensslVerify(directory, encodePem("CERTIFICATE", certificate.raw), root, [issuing]);
  });

test("ok/roots in the chain's file that are weak, or signed themselves with SHA-1", () => {
  const old = opensslCa(directory, "Old root", { algorithm: "RSA-2048", digest: "sha1" });
  const issuing = opensslCa(directory, "Below old", { issuer: old });
  const weak = opensslCa(directory, "Weak root", { algorithm: "RSA-1024" });
  for (const [files, root] of [
    [filesOf(issuing, old), old],
    [filesOf(issuing, weak, old), old],
  ] as const)
    assert.equal(hex(caChainIn(files, Date.now()).root.raw), hex(derOf(root)));
  assert.throws(() => caChainIn(filesOf(opensslCa(directory, "Below weak", { issuer: weak }), weak, old), Date.now()), {
    code: "invalid",
    message: /RSA keys need at least 2048 bits/,
  });
});

test("fail/a CA that cannot issue here is refused, and nothing changes", async () => {
  const { root, issuing } = hierarchy("Wrong");
  const other = hierarchy("Other");
  const narrow = opensslCa(directory, "Narrow root", { basicConstraints: "CA:TRUE,pathlen:0" });
  const below = opensslCa(directory, "Below narrow", { issuer: narrow });
  const leaf = opensslCa(directory, "No CA", {
    issuer: root,
    basicConstraints: "CA:FALSE",
    keyUsage: "digitalSignature",
  });
  const dumb = opensslCa(directory, "No signer", { issuer: root, keyUsage: "cRLSign" });
  const weak = opensslCa(directory, "Weak", { issuer: root, algorithm: "RSA-1024" });
  const policy = opensslCa(directory, "Missing policy", { issuer: root });
  const orphan = opensslCa(directory, "Orphan", { issuer: policy });
  const named = opensslCa(directory, "Named", {
    issuer: root,
    extensions: ["nameConstraints = critical,permitted;DNS:corp.example"],
  });
  for (const [body, sentence] of [
    [{ ...filesOf(issuing, root), key: { pem: other.issuing.key } }, /is not the private key of its certificate/],
    [{ ...filesOf(issuing, root), key: { pem: issuing.certificate } }, /holds no private key/],
    [{ certificate: issuing.key, key: { pem: issuing.key } }, /holds no certificate in PEM/],
    [filesOf(leaf, root), /CN=No CA,O=Example is not a CA/],
    [filesOf(dumb, root), /keyUsage without keyCertSign/],
    [filesOf(weak, root), /RSA keys need at least 2048 bits/],
    [{ certificate: root.certificate, key: { pem: root.key } }, /is a root; make an issuing CA below it/],
    [{ certificate: issuing.certificate, key: { pem: issuing.key } }, /no self-signed root/],
    [filesOf(issuing, other.root), /No certificate of the issuer CN=Wrong root/],
    [filesOf(orphan, root), /No certificate of the issuer CN=Missing policy/],
    [filesOf(named, root), /as the certificate of the listener: .* has a dNSName that a CA above it may not name/],
    [filesOf(below, narrow), /does not allow as many CAs below it/],
  ] as const)
    await refused(body, 400, sentence);
});

test("ok/a CA whose constraints allow the names of the listener", async () => {
  const { root } = hierarchy("Roomy");
  const extensions = ["nameConstraints = critical,excluded;DNS:corp.example"];
  const report = await importing({
    ...filesOf(opensslCa(directory, "Roomy 2", { issuer: root, extensions }), root),
    dryRun: true,
  });
  assert.equal(report.issuing.subject, "CN=Roomy 2,O=Example");
});

test("fail/a CA that has expired, or begins later", () => {
  const { root, issuing } = hierarchy("Old");
  for (const [years, message] of [
    [11, "CN=Old issuing,O=Example cannot issue here: The certificate of CN=Old issuing,O=Example has expired."],
    [-1, "CN=Old issuing,O=Example cannot issue here: The certificate of CN=Old issuing,O=Example is not valid yet."],
  ] as const)
    assert.throws(() => caChainIn(filesOf(issuing, root), Date.now() + years * 365 * 24 * 3600 * 1000), {
      code: "invalid",
      message,
    });
});

test("fail/a CA while a roll-over is begun or switched", async () => {
  const { root, issuing } = hierarchy("Busy");
  const first = await startService();
  try {
    for (const step of ["begin", "switch"] as const) {
      await first.call("POST", "/ca/rollover", { step });
      for (const dryRun of [true, false])
        await assert.rejects(
          first.call("POST", "/ca/import", { ...filesOf(issuing, root), dryRun }),
          step === "begin" ? /409 .*"conflict".*hatchery ca rollover switch/ : /409 .*"conflict".*rollover finish/,
        );
    }
    assert.equal(first.rows("authorities").filter(({ origin }) => origin === "imported").length, 0);
  } finally {
    await first.close();
  }
});

test("fail/a CA that is here already, and one that is a manufacturer's", async () => {
  const { root, issuing } = hierarchy("Twice");
  await importing(filesOf(issuing, root));
  await refused(filesOf(issuing, root), 409, /has the key of issuing-\d+, a CA of this tenant already \(active\)/);
  const maker = hierarchy("Maker");
  await service.call("POST", "/anchors", { name: "maker", pem: maker.root.certificate });
  await refused(
    filesOf(maker.issuing, maker.root),
    409,
    /CN=Maker root,O=Example is trusted as the manufacturer maker/,
  );
});

test("fail/a key in an HSM that is not there", async () => {
  const { root, issuing } = hierarchy("Hardware");
  const { certificate } = issuing;
  const key = { reference: "pkcs11:token=none;object=none" };
  await assert.rejects(importing({ certificate, chain: root.certificate, key }), /"code":"(not-found|hsm-[a-z-]+)"/);
});

test("ok/hatchery ca import opens an encrypted key, and neither it nor the passphrase is stored or shown", async () => {
  const { root, issuing } = hierarchy("Command");
  const key = opensslEncrypted(issuing, "open sesame");
  const passphrase = join(directory, "passphrase");
  writeFileSync(passphrase, "open sesame\n");
  const command = (...more: readonly string[]) =>
    hatchery([
      ...["ca", "import", "--data", service.data, "--cert", issuing.certificateFile, "--key", key],
      ...["--chain", root.certificateFile, ...more],
    ]);
  const unasked = await command();
  assert.deepEqual([unasked.code, unasked.stdout], [2, ""]);
  assert.match(unasked.stderr, /give --passphrase-file or HATCHERY_KEY_PASSPHRASE/);
  writeFileSync(join(directory, "wrong"), "open sesami\n");
  const wrong = await command("--passphrase-file", join(directory, "wrong"));
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /The passphrase does not open the private key/);
  const dry = await command("--passphrase-file", passphrase, "--dry-run");
  assert.deepEqual([dry.code, dry.stderr], [0, ""]);
  assert.match(dry.stdout, /^CN=Command issuing,O=Example would issue from now on \(until .*\n/);
  assert.match(dry.stdout, /nothing was changed\n$/);
  const done = await command("--passphrase-file", passphrase);
  assert.match(done.stdout, /^CN=Command issuing,O=Example issues from now on/);
  const { items } = await service.call<{ readonly items: readonly { readonly action: string }[] }>(
    "GET",
    "/audit?limit=500",
  );
  assert.ok(items.some((line) => line.action === "ca-import"));
  assert.doesNotMatch(JSON.stringify(items), /PRIVATE KEY|open sesame/);
});
