import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { sha256 } from "../../src/crypto/mac.ts";
import { currentAnchors, currentIdentity } from "../../src/device/index.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { type Certificate, parseCertificate } from "../../src/pki/certificate.ts";
import type { EnrolledCredential, EstServerAddress } from "../../src/protocols/est/index.ts";
import { enrolDevice, manufactured, startService, type TestService } from "../est/service.ts";

// RFC 7030 4.1.3: one roll-over of the real service over real sockets, as devices live through it that come at different times.

interface Rollover {
  readonly phase: string;
  readonly current: number;
  readonly devices: number;
  readonly left?: number;
  readonly authorities: readonly { readonly name: string; readonly pem: string }[];
}

interface Listed {
  readonly subject: string;
  readonly replaced: boolean;
  readonly caEnded: boolean;
}

describe("a roll-over", { concurrency: 1 }, () => {
  let service: TestService;
  let nextRoot: Uint8Array;
  const factories = new Map<string, Awaited<ReturnType<typeof manufactured>>>();
  const step = (body: object) => service.call<Rollover>("POST", "/ca/rollover", body);
  const status = () => service.call<Rollover>("GET", "/ca/rollover");
  const directory = (name: string) => join(service.data, "devices", name);

  /** A first enrolment by a claimed device that trusts `anchors`. */
  async function enrols(name: string, anchors: readonly Uint8Array[]): Promise<EnrolledCredential> {
    const identity = factories.get(name) ?? (await manufactured(service, name));
    factories.set(name, identity);
    await service.call("POST", "/claims", { label: name });
    return enrolDevice(service, "simpleenroll", name, { identity, server: at(anchors) });
  }

  /** A renewal that trusts what the device's last answer brought. */
  async function renews(name: string): Promise<EnrolledCredential> {
    const current = await currentIdentity(directory(name));
    assert.ok(current);
    const identity = { ...current, credential: "ldevid" } as const;
    return enrolDevice(service, "simplereenroll", name, { identity, server: at(await anchorsOf(name)) });
  }

  const certificates = (query: string) =>
    service.call<{ readonly items: readonly Listed[] }>("GET", `/ca/certificates${query}`);
  const at = (anchors: readonly Uint8Array[]): EstServerAddress => ({
    host: "127.0.0.1",
    port: service.port,
    trust: { kind: "explicit", anchors },
  });
  const anchorsOf = async (name: string) => (await currentAnchors(directory(name))) ?? [];
  const assertAnchors = async (name: string, expected: readonly Uint8Array[]) =>
    assert.deepEqual((await anchorsOf(name)).map(fingerprint).sort(), expected.map(fingerprint).sort());

  before(async () => {
    service = await startService();
  });
  after(() => service.close());

  test("ok/before: devices trust the one root", async () => {
    for (const name of ["early", "sleeper", "late", "lost"]) await enrols(name, [service.root]);
    await assertAnchors("early", [service.root]);
    assert.deepEqual(await status().then(({ phase, current }) => [phase, current]), ["none", 0]);
  });

  test("fail/order: neither switch nor finish before begin", async () => {
    for (const body of [{ step: "switch" }, { step: "finish" }])
      await assert.rejects(step(body), /409 .*"conflict".*hatchery ca rollover begin/);
  });

  test("ok/begin: devices take over the next root, and the former CA goes on issuing", async () => {
    const begun = await step({ step: "begin" });
    assert.deepEqual(
      begun.authorities.map(({ name }) => name),
      ["issuing-1", "issuing-2", "new-with-old-2", "old-with-new-2", "root-1", "root-2"],
    );
    nextRoot = certificateOf(begun, "root-2").raw;
    assert.deepEqual([begun.phase, begun.current], ["begun", 4]);
    assert.deepEqual(issuerOf(await renews("early")), "issuing-1");
    await assertAnchors("early", [service.root, nextRoot]);
    await renews("sleeper");
    await assertAnchors("sleeper", [service.root, nextRoot]);
  });

  test("ok/begin: a new device that was given the next root alone", async () => {
    assert.equal(issuerOf(await enrols("newcomer-1", [nextRoot])), "issuing-1");
    await assertAnchors("newcomer-1", [service.root, nextRoot]);
  });

  test("fail/begin: twice", async () => {
    const before = await status();
    await assert.rejects(step({ step: "begin" }), /409 .*"conflict".*hatchery ca rollover switch/);
    assert.deepEqual(await status(), before);
  });

  test("ok/switch: the next CA issues, certificates of the former one renew, also after a restart", async () => {
    assert.equal((await step({ step: "switch" })).phase, "switched");
    assert.equal(issuerOf(await renews("early")), "issuing-2");
    await service.restart();
    assert.equal(issuerOf(await renews("early")), "issuing-2");
    await assertAnchors("early", [service.root, nextRoot]);
  });

  test("ok/switch: a device that knows the former root alone, and one that knows the next one alone", async () => {
    // The listener's certificate is of the next CA: the former root vouches for it through NewWithOld.
    await assertAnchors("late", [service.root]);
    assert.equal(issuerOf(await renews("late")), "issuing-2");
    await assertAnchors("late", [service.root, nextRoot]);
    assert.equal(issuerOf(await enrols("newcomer-2", [nextRoot])), "issuing-2");
    assert.equal(issuerOf(await enrols("newcomer-3", [service.root])), "issuing-2");
  });

  test("ok/switch: OpenSSL finds the way from both generations to both roots", async () => {
    const former = service.rows("certificates").find(({ authority }) => authority === "issuing-1");
    const latest = service.rows("certificates").find(({ authority }) => authority === "issuing-2");
    const files = join(service.data, "openssl");
    await mkdir(files);
    const pem = (der: unknown) => encodePem("CERTIFICATE", der as Uint8Array);
    const { authorities } = await status();
    await writeFile(join(files, "all.pem"), authorities.map((each) => each.pem).join(""));
    for (const root of [service.root, nextRoot]) {
      await writeFile(join(files, "root.pem"), pem(root));
      for (const leaf of [former, latest]) {
        await writeFile(join(files, "leaf.pem"), pem(leaf?.["certificate"]));
        const argv = ["verify", "-x509_strict", "-CAfile", "root.pem", "-untrusted", "all.pem", "leaf.pem"];
        assert.equal(execFileSync("openssl", argv, { cwd: files, encoding: "utf8" }), "leaf.pem: OK\n");
      }
    }
  });

  test("ok/certificates: those that keep devices from the next CA, and those that are replaced", async () => {
    const { items: held } = await certificates("?by=issuing-1&current=true");
    assert.deepEqual(held.map(({ subject }) => subject).sort(), ["lost", "newcomer-1", "sleeper"].map(subjectOf));
    const { items: former } = await certificates("?by=issuing-1");
    const ofEarly = former.filter(({ subject }) => subject === subjectOf("early"));
    assert.deepEqual([...new Set(ofEarly.map(({ replaced, caEnded }) => [replaced, caEnded].join()))], ["true,false"]);
    await assert.rejects(certificates("?revoked=true&current=true"), /400 .*"invalid"/);
  });

  test("fail/finish: while devices have not replaced their certificates of the former CA", async () => {
    const { current, devices } = await status();
    assert.deepEqual([current, devices], [3, 7]);
    await assert.rejects(
      step({ step: "finish" }),
      /409 .*"conflict".*3 of 7 devices .*hatchery ca certificates --by issuing-1 --current/,
    );
    assert.equal((await status()).phase, "switched");
  });

  test("ok/finish: the former root is given to nobody, and devices drop it", async () => {
    const finished = await step({ step: "finish", force: true });
    assert.deepEqual([finished.phase, finished.left], ["none", 3]);
    const { items: left } = await certificates("?by=issuing-1&current=true");
    assert.deepEqual(
      left.map(({ caEnded }) => caEnded),
      [true, true, true],
    );
    assert.deepEqual(
      finished.authorities.map(({ name }) => name),
      ["issuing-2", "root-2"],
    );
    assert.equal(issuerOf(await renews("early")), "issuing-2");
    await assertAnchors("early", [nextRoot]);
    await renews("late");
    await assertAnchors("late", [nextRoot]);
    assert.equal(issuerOf(await enrols("newcomer-4", [nextRoot])), "issuing-2");
  });

  test("fail/finish: a device that slept since it learned the next root is known no more, and enrols anew", async () => {
    await assert.rejects(renews("sleeper"), { code: "server-refused", message: /with 401/ });
    assert.equal(issuerOf(await enrols("sleeper", await anchorsOf("sleeper"))), "issuing-2");
    await assertAnchors("sleeper", [nextRoot]);
  });

  test("fail/finish: a device that slept through all of it trusts nobody, until a person gives it the root", async () => {
    const kept = await anchorsOf("lost");
    await assert.rejects(renews("lost"), {
      code: "server-not-trusted",
      message: /install the server's CA certificate/,
    });
    await assertAnchors("lost", kept);
    assert.equal(issuerOf(await enrols("lost", [nextRoot])), "issuing-2");
    await assertAnchors("lost", [nextRoot]);
  });

  test("ok/audit: each step is a line", async () => {
    const actions = service.rows("audit").map(({ action }) => action);
    for (const action of ["ca-rollover-begin", "ca-rollover-switch", "ca-rollover-finish"])
      assert.equal(actions.filter((each) => each === action).length, 1);
  });

  test("ok/again: the next roll-over is another generation", async () => {
    const begun = await step({ step: "begin" });
    assert.deepEqual(
      begun.authorities.map(({ name }) => name),
      ["issuing-2", "issuing-3", "new-with-old-3", "old-with-new-3", "root-2", "root-3"],
    );
    await renews("early");
    await assertAnchors("early", [nextRoot, certificateOf(begun, "root-3").raw]);
  });

  function issuerOf({ certificate }: EnrolledCredential): unknown {
    const issued = service
      .rows("certificates")
      .find(({ fingerprint: found }) => found === fingerprint(certificate.raw));
    return issued?.["authority"];
  }
});

function certificateOf({ authorities }: Rollover, name: string): Certificate {
  const pem = authorities.find((each) => each.name === name)?.pem ?? "";
  return parseCertificate(decodePem(pem)[0]?.bytes ?? Uint8Array.of());
}

function subjectOf(name: string): string {
  return `CN=${name}`;
}

function fingerprint(certificate: Uint8Array): string {
  return hex(sha256(certificate));
}
