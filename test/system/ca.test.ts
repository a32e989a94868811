import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { generateKey } from "../../src/crypto/keys.ts";
import { deviceKey } from "../../src/device/index.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { keyPurposes } from "../../src/pki/oids.ts";
import { extKeyUsageOf } from "../../src/pki/standard-extensions.ts";
import type { EnrolledCredential } from "../../src/protocols/est/index.ts";
import type { KeyKind } from "../../src/protocols/ports.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";

// Profiles and revocation as an operator sets them, and what devices get of it, over real sockets.

const day = 24 * 3600 * 1000;

describe("the CA of a running service", { concurrency: 1 }, () => {
  let service: TestService;
  before(async () => {
    service = await startService();
  });
  after(() => service.close());

  /** What the profile wants is not asked for: here it is refused what does not fit. */
  async function enrols(name: string, label?: string, keyKind: KeyKind = "P-256"): Promise<EnrolledCredential> {
    await service.call("POST", "/claims", { label: name });
    const identity = await manufactured(service, name);
    return enrolDevice(service, "simpleenroll", name, { identity, keyKind, csrattrs: "never", server: at(label) });
  }

  function renews(name: string, held: EnrolledCredential, label?: string, key?: EnrolledCredential["key"]) {
    const chain = [held.certificate.raw, ...held.chain.map(({ raw }) => raw)];
    const identity = { chain, key: held.key, credential: "ldevid" } as const;
    const keys = key === undefined ? {} : { keys: { generate: async () => key } };
    return enrolDevice(service, "simplereenroll", name, { identity, server: at(label) }, keys);
  }

  const at = (label?: string) => ({
    host: "127.0.0.1",
    port: service.port,
    trust: { kind: "explicit", anchors: [service.root] } as const,
    ...(label === undefined ? {} : { label }),
  });
  const refusedWith = (status: number) => ({ code: "server-refused", message: new RegExp(`with ${status}`) });
  const lastReason = () => service.rows("audit").toSorted(bySequence).at(-1)?.["detail"];
  const profile = (name: string, changes: object) => service.call("PUT", `/ca/profiles/${name}`, changes);
  const serialOf = async (device: string) => {
    const { certificates } = await service.call<{ certificates: { serial: string }[] }>("GET", `/devices/${device}`);
    return certificates[0]?.serial ?? "";
  };
  const revoke = (which: object, reason: string) =>
    service.call<{ revoked: object[] }>("POST", "/ca/revocations", { which, reason });

  test("fail/label: one that names no profile, before anything else is looked at", async () => {
    await assert.rejects(enrols("lamp-1", "lamps"), refusedWith(404));
  });

  test("ok/label: its profile decides what the certificate holds", async () => {
    await profile("lamps", {
      lifetime: 30 * day,
      extKeyUsage: [keyPurposes.clientAuth, keyPurposes.serverAuth],
      keys: ["P-256"],
      renewal: { after: 0.5, sameKey: false },
    });
    // Not by what is built in: a device would choose for itself to be trusted as a server.
    await assert.rejects(enrols("lamp-1", "lamps"), refusedWith(403));
    assert.match(String(lastReason()), /not-allowed/);
    await service.call("POST", "/rules", { verdict: "allow", match: { profile: "lamps" } });
    const { certificate } = await enrols("lamp-1", "lamps");
    assert.deepEqual(extKeyUsageOf(certificate.extensions), [keyPurposes.clientAuth, keyPurposes.serverAuth]);
    assert.equal(Math.round((certificate.notAfter - certificate.notBefore) / day), 30);
    const { items } = await service.call<{ items: { profile: string }[] }>("GET", "/ca/certificates?device=lamp-1");
    assert.deepEqual(
      items.map((each) => each.profile),
      ["lamps"],
    );
  });

  test("fail/label: a key that its profile does not certify", async () => {
    await assert.rejects(enrols("lamp-2", "lamps", "P-384"), refusedWith(400));
    assert.match(String(lastReason()), /key-not-allowed/);
  });

  test("ok/listener: its certificate is not in the name of the machine", async () => {
    const socket = connect({ host: "127.0.0.1", port: service.port, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const { subject, subjectaltname } = socket.getPeerCertificate();
    socket.destroy();
    assert.deepEqual({ ...subject }, { CN: "Hatchery default" });
    assert.match(subjectaltname ?? "", /DNS:localhost, IP Address:127\.0\.0\.1/);
  });

  test("fail/renewal: too early, and with the same key", async () => {
    const held = await enrols("lamp-3", "lamps");
    const { notBefore, notAfter } = held.certificate;
    const from = new Date(Math.ceil(notBefore + 0.5 * (notAfter - notBefore))).toISOString();
    await assert.rejects(renews("lamp-3", held, "lamps"), {
      code: "server-refused",
      message: new RegExp(`with 403.* from ${from} on`),
    });
    assert.match(String(lastReason()), new RegExp(`renewal-too-early: not before ${from}`));
    await profile("lamps", { renewal: { after: 0 } });
    await assert.rejects(renews("lamp-3b", held, "lamps", held.key), refusedWith(403));
    assert.match(String(lastReason()), /renewal-same-key/);
    await renews("lamp-3c", held, "lamps", deviceKey(generateKey("P-256"), "P-256"));
  });

  test("fail/renewal: under another label, by either operation", async () => {
    const held = await enrols("lamp-4", "lamps");
    const identity = { chain: [held.certificate.raw], key: held.key, credential: "ldevid" } as const;
    for (const operation of ["simpleenroll", "simplereenroll"] as const) {
      await assert.rejects(enrolDevice(service, operation, "lamp-4", { identity, server: at() }), refusedWith(403));
      assert.match(String(lastReason()), /profile-not-the-client/);
      await enrolDevice(service, operation, "lamp-4", { identity, server: at("lamps") });
    }
  });

  test("ok/profiles: a built-in one is changed, and given back", async () => {
    const before = await service.call("GET", "/ca/profiles/device");
    await profile("device", { lifetime: 7 * day });
    const { certificate } = await enrols("plain-1");
    assert.equal(Math.round((certificate.notAfter - certificate.notBefore) / day), 7);
    await service.call("DELETE", "/ca/profiles/device");
    assert.deepEqual(await service.call("GET", "/ca/profiles/device"), before);
    await assert.rejects(service.call("DELETE", "/ca/profiles/device"), /404 .*as it was built in/);
  });

  for (const [what, name, changes] of [
    ["the name of an operation", "simpleenroll", { lifetime: 7 * day }],
    ["no key at all", "lamps", { keys: [] }],
    ["a CA's key usage", "lamps", { keyUsage: ["keyCertSign"] }],
    ["a misspelt setting", "lamps", { lifetme: 7 * day }],
    ["a lifetime of no time", "lamps", { lifetime: 0 }],
    ["a purpose that is none", "lamps", { extKeyUsage: ["clientAuth"] }],
    ["a renewal that never comes", "lamps", { renewal: { after: 1 } }],
    ["a common name for all devices", "lamps", { subject: [{ type: "commonName", value: "lamp" }] }],
    ["an organization without a name", "lamps", { subject: [{ type: "organizationName" }] }],
    ["a country that is none", "lamps", { subject: [{ type: "countryName", value: "Switzerland" }] }],
    ["an extension twice", "lamps", { requestExtensions: ["keyUsage", "keyUsage"] }],
    ["an unknown form of csrattrs", "lamps", { csrattrs: "rfc9908" }],
  ] as const)
    test(`fail/profiles: ${what}`, async () => {
      const before = await service.call("GET", "/ca/profiles");
      await assert.rejects(profile(name, changes), / 400 /);
      assert.deepEqual(await service.call("GET", "/ca/profiles"), before);
    });

  test("ok/revoked: neither renews nor enrols, and the run says why while the device is not told", async () => {
    const held = await enrols("leaky");
    await revoke({ kind: "serial", serial: await serialOf("leaky") }, "keyCompromise");
    await assert.rejects(renews("leaky", held), { ...refusedWith(401), message: /not authenticated/ });
    const run = service.rows("runs").find(({ reason }) => reason === "certificate-revoked");
    assert.equal(run?.["outcome"], "refused");
    const { items } = await service.call<{ items: { subject: string }[] }>("GET", "/ca/certificates?revoked=true");
    assert.deepEqual(
      items.map(({ subject }) => subject),
      ["CN=leaky"],
    );
  });

  test("ok/revoked: a device enrols anew with its identity and a new key", async () => {
    await enrols("leaky");
  });

  test("fail/revoked: a compromised key under another label, by another operation or beside another certificate", async () => {
    const held = await enrols("stolen");
    const other = await renews("stolen", held, undefined, held.key);
    const which = { kind: "pem", pem: encodePem("CERTIFICATE", held.certificate.raw) };
    await revoke(which, "keyCompromise");
    const identity = await manufactured(service, "stolen");
    const keys = { keys: { generate: async () => held.key } };
    for (const label of [undefined, "lamps"])
      await assert.rejects(
        enrolDevice(service, "simpleenroll", "stolen", { identity, server: at(label) }, keys),
        refusedWith(403),
      );
    assert.match(String(lastReason()), /key-revoked/);
    await assert.rejects(renews("stolen", other), refusedWith(401));
    await enrols("stolen");
  });

  test("ok/revoked: all certificates of a device, which is a line of the audit", async () => {
    const held = await enrols("twice");
    const renewed = await renews("twice", held);
    const { revoked } = await revoke({ kind: "device", device: "twice" }, "cessationOfOperation");
    assert.equal(revoked.length, 2);
    for (const each of [held, renewed]) await assert.rejects(renews("twice", each), refusedWith(401));
    await assert.rejects(
      revoke({ kind: "device", device: "twice" }, "superseded"),
      /409 .*neither revoked nor expired/,
    );
    const lines = service.rows("audit").filter(({ action }) => action === "revoke");
    assert.match(String(lines.toSorted(bySequence).at(-1)?.["detail"]), /"reason":"cessationOfOperation"/);
  });

  test("ok/hold: lifted, and the certificate renews again", async () => {
    const held = await enrols("held");
    const serial = await serialOf("held");
    await revoke({ kind: "serial", serial }, "certificateHold");
    await assert.rejects(renews("held", held), refusedWith(401));
    await service.call("DELETE", `/ca/revocations/${serial}`);
    await assert.rejects(service.call("DELETE", `/ca/revocations/${serial}`), /409 .*is not revoked/);
    await renews("held", held);
  });
});

function bySequence(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): number {
  return Number(a["sequence"]) - Number(b["sequence"]);
}
