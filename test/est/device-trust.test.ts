import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import { currentAnchors, currentIdentity, deviceName, estStorage, nodeEstEnv } from "../../src/device/index.ts";
import { encodeBasicConstraints, encodeKeyUsage } from "../../src/pki/standard-extensions.ts";
import {
  type EnrolledCredential,
  type EstDeviceSettings,
  type EstTrust,
  enroll,
} from "../../src/protocols/est/index.ts";
import { nameOf, type ScriptedCa, scriptedCa } from "../system/scripted-upstream.ts";
import { http, type ScriptedOptions, type ScriptedServer, scriptedServer } from "./scripted-server.ts";

/** How a device comes to trust a server for the first time (RFC 7030 3.6.2, 4.1.1), over real TLS. */

let directory = "";
const parents: string[] = [];
const rightsOfCa = [encodeBasicConstraints({ cA: true }), encodeKeyUsage(["keyCertSign"])];
const credentials = { user: "lamp", password: "correct horse" };

beforeEach(async () => {
  const parent = await mkdtemp(join(tmpdir(), "hatchery-trust-"));
  parents.push(parent);
  directory = join(parent, "device");
});

after(() => Promise.all(parents.map((parent) => rm(parent, { recursive: true }))));

async function withServer(test: (server: ScriptedServer) => Promise<void>, options?: ScriptedOptions): Promise<void> {
  const server = await scriptedServer(options);
  try {
    await test(server);
  } finally {
    server.close();
  }
}

function enrol(
  { port }: { readonly port: number },
  trust: EstTrust,
  settings: Partial<EstDeviceSettings> = {},
): Promise<EnrolledCredential> {
  const all = { subject: deviceName("lamp"), binding: "auto", patience: 5_000, credentials, ...settings } as const;
  return enroll(
    "simpleenroll",
    { server: { host: "127.0.0.1", port, trust }, keyKind: "P-256", ...all },
    nodeEstEnv({ directory }),
  );
}

async function renew({ port }: { readonly port: number }, trust: EstTrust): Promise<EnrolledCredential> {
  const identity = await currentIdentity(directory);
  assert.ok(identity !== undefined);
  const common = { subject: deviceName("renewal"), binding: "auto", patience: 5_000 } as const;
  return enroll(
    "simplereenroll",
    { server: { host: "127.0.0.1", port, trust }, ...common, identity: { ...identity, credential: "ldevid" } },
    nodeEstEnv({ directory }),
  );
}

const keptAnchors = async (): Promise<EstTrust> => ({
  kind: "explicit",
  anchors: (await currentAnchors(directory)) ?? [],
});

/** An issuing CA below `root`: what `published` begins with is its certificate by the root. */
async function issuingCa(root: ScriptedCa) {
  const key = generateKey("P-256");
  const ca = await scriptedCa("Issuing CA", key);
  return { ca, certificate: await root.issue(ca.name, signerOf(key).publicKey, rightsOfCa) };
}

const digest = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest();
const asked = (server: ScriptedServer) =>
  server.requests.map(({ association, method, path }) => `${association} ${method} ${path.split("/").at(-1)}`);
const wholeRun = ["GET cacerts", "GET csrattrs", "POST simpleenroll"];

for (const algorithm of ["sha256", "sha512"])
  test(`ok/preset ${algorithm}: cacerts alone over the first association, everything else over a second one`, () =>
    withServer(async (server) => {
      const fingerprint = digest(algorithm, server.ca.certificate);
      const credential = await enrol(server, { kind: "fingerprint", fingerprint });
      assert.equal(credential.trust, "fingerprint");
      assert.deepEqual(asked(server), ["0 GET cacerts", ...wholeRun.map((line) => `1 ${line}`)]);
      assert.equal(server.requests[0]?.authorization, undefined);
      assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(server.ca.certificate)]);
    }));

test("ok/a person says yes: asked once, with the digests of the CA certificate, and never again", () =>
  withServer(async (server) => {
    const shown: string[] = [];
    const trust: EstTrust = {
      kind: "confirm",
      async confirm({ certificate, sha256, sha512 }) {
        assert.equal(server.requests.length, 1, "nothing was sent before the answer");
        assert.deepEqual(Buffer.from(sha256), digest("sha256", certificate));
        assert.deepEqual(Buffer.from(sha512), digest("sha512", certificate));
        shown.push(hex(certificate));
        return true;
      },
    };
    assert.equal((await enrol(server, trust)).trust, "confirm");
    assert.equal((await enrol(server, trust)).trust, "explicit");
    assert.deepEqual(shown, [hex(server.ca.certificate)]);
  }));

for (const [name, answer] of [
  ["no", async () => false],
  ["something that is not true", async () => "yes" as unknown as boolean],
] as const)
  test(`fail/a person says ${name}: nothing was sent, nothing is kept`, () =>
    withServer(async (server) => {
      await assert.rejects(enrol(server, { kind: "confirm", confirm: answer }), { code: "fingerprint-declined" });
      assert.deepEqual(asked(server), ["0 GET cacerts"]);
      await assert.rejects(stat(directory), { code: "ENOENT" });
    }));

test("fail/the person's answer throws: that ends the run", () =>
  withServer(async (server) => {
    const confirm = () => Promise.reject(new Error("no terminal"));
    await assert.rejects(enrol(server, { kind: "confirm", confirm }), /no terminal/);
  }));

test("fail/a server that does not have the fingerprint gets no password", () =>
  withServer(async (server) => {
    const fingerprint = digest("sha256", Buffer.from("another certificate"));
    await assert.rejects(enrol(server, { kind: "fingerprint", fingerprint }), { code: "fingerprint-not-found" });
    assert.deepEqual(asked(server), ["0 GET cacerts"]);
  }));

test("fail/a fingerprint that none of the kept anchors has: followed until there is a certificate, an error from then on", async () => {
  const [wrong, right] = [await scriptedCa("Wrong root"), await scriptedCa("Right root")];
  const fingerprint = digest("sha256", right.certificate);
  await estStorage(directory).saveAnchors([wrong.certificate]);
  await withServer(
    async (server) => {
      await assert.rejects(enrol(server, { kind: "fingerprint", fingerprint }), { code: "fingerprint-not-found" });
      assert.deepEqual(asked(server), ["0 GET cacerts"]);
      assert.equal(server.requests[0]?.authorization, undefined);
    },
    { ca: wrong },
  );
  await withServer(
    async (server) => {
      assert.equal((await enrol(server, { kind: "fingerprint", fingerprint })).trust, "fingerprint");
      assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(right.certificate)]);
      const other: EstTrust = { kind: "fingerprint", fingerprint: digest("sha256", wrong.certificate) };
      const before = server.requests.length;
      await assert.rejects(enrol(server, other), { code: "fingerprint-not-kept" });
      assert.equal(server.requests.length, before);
      assert.equal((await enrol(server, { kind: "fingerprint", fingerprint })).trust, "explicit");
    },
    { ca: right },
  );
});

test("fail/somebody in between who can show the CA certificate but not a certificate of it", async () => {
  const right = await scriptedCa("Right root");
  const wrong = await scriptedCa("Wrong root");
  await withServer(
    async (server) => {
      const fingerprint = digest("sha256", right.certificate);
      await assert.rejects(enrol(server, { kind: "fingerprint", fingerprint }), { code: "server-not-trusted" });
      assert.deepEqual(asked(server), ["0 GET cacerts"]);
    },
    { ca: wrong, published: [right.certificate] },
  );
});

test("fail/a certificate that the confirmed one does not vouch for", async () => {
  const [own, other] = [await scriptedCa("Own root"), await scriptedCa("Other root")];
  await withServer(
    async (server) => {
      const fingerprint = digest("sha256", own.certificate);
      await assert.rejects(enrol(server, { kind: "fingerprint", fingerprint }), { code: "anchors-not-confirmed" });
    },
    { ca: own, published: [own.certificate, other.certificate] },
  );
});

for (const [name, answer, code] of [
  ["a redirect", http(302, ["Location: /elsewhere"], ""), "redirected"],
  ["a challenge", http(401, ["WWW-Authenticate: Basic realm=est"], ""), "server-refused"],
  ["204", http(204, [], ""), "status-unexpected"],
  ["202", http(202, ["Retry-After: 1"], ""), "status-unexpected"],
  ["500", http(500, [], ""), "server-refused"],
] as const)
  test(`fail/bootstrap is answered with ${name}: any status but 200 ends it, and nothing is asked again`, () =>
    withServer(async (server) => {
      server.answer = () => answer;
      const fingerprint = digest("sha256", server.ca.certificate);
      await assert.rejects(enrol(server, { kind: "fingerprint", fingerprint }), { code });
      assert.deepEqual(asked(server), ["0 GET cacerts"]);
    }));

test("ok/implicit: by name for the first time, by the CA's own anchor from then on", () =>
  withServer(async (server) => {
    const trust: EstTrust = { kind: "implicit", anchors: [server.ca.certificate] };
    assert.equal((await enrol(server, trust)).trust, "implicit");
    assert.deepEqual(
      asked(server),
      wholeRun.map((line) => `0 ${line}`),
    );
    assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(server.ca.certificate)]);
    // What was implicit is of no use for this server any more.
    const others: EstTrust = { kind: "implicit", anchors: [(await scriptedCa("Another root")).certificate] };
    assert.equal((await enrol(server, others)).trust, "explicit");
  }));

test("fail/implicit anchors that a device had before vouch for no other server once it has its own", async () => {
  const shared = await scriptedCa("Root of the world");
  const own = await scriptedCa("Own root");
  const trust: EstTrust = { kind: "implicit", anchors: [shared.certificate, own.certificate] };
  await withServer((server) => enrol(server, trust).then(() => {}), { ca: own });
  await withServer(
    async (server) => {
      await assert.rejects(enrol(server, trust), { code: "server-not-trusted" });
      assert.deepEqual(asked(server), []);
    },
    { ca: shared },
  );
});

test("ok/a server whose own certificate is of a public CA: by that for the first time, and given as an anchor later", async () => {
  const tls = await scriptedCa("Root of the world");
  await withServer(
    async (server) => {
      assert.equal((await enrol(server, { kind: "implicit", anchors: [tls.certificate] })).trust, "implicit");
      assert.equal((await renew(server, { kind: "explicit", anchors: [tls.certificate] })).trust, "explicit");
      assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(server.ca.certificate)]);
    },
    { tls },
  );
});

test("ok/cacerts without the root: the root stays the anchor, and the issuing CA does not become one", async () => {
  const root = await scriptedCa("Root");
  const issuing = await issuingCa(root);
  const good = { ca: issuing.ca, tls: root, published: [issuing.certificate] };
  await withServer(async (server) => {
    await enrol(server, { kind: "explicit", anchors: [root.certificate] });
    for (let times = 0; times < 2; times += 1) {
      await renew(server, await keptAnchors());
      assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(root.certificate)]);
    }
  }, good);
  // Whoever has no more than the issuing CA's key makes no root of its own, and is no server.
  const evilKey = generateKey("P-256");
  const evil = await scriptedCa("Evil root", evilKey);
  const cross = await issuing.ca.issue(evil.name, signerOf(evilKey).publicKey, rightsOfCa);
  const published = [evil.certificate, issuing.certificate, cross];
  for (const [tls, code] of [
    [root, "anchors-not-confirmed"],
    [issuing.ca, "server-not-trusted"],
  ] as const)
    await withServer(async (server) => assert.rejects(renew(server, await keptAnchors()), { code }), {
      ca: issuing.ca,
      tls,
      published,
    });
  assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(root.certificate)]);
});

test("fail/a first enrolment with a given anchor: what the directory holds from before vouches for nothing", async () => {
  const [good, other] = [await scriptedCa("Good root"), await scriptedCa("Other root")];
  const given: EstTrust = { kind: "explicit", anchors: [good.certificate] };
  await estStorage(directory).saveAnchors([other.certificate]);
  await withServer((server) => assert.rejects(enrol(server, given), { code: "anchors-not-confirmed" }), {
    ca: good,
    published: [good.certificate, other.certificate],
  });
  await withServer((server) => enrol(server, { kind: "explicit", anchors: [other.certificate] }).then(() => {}), {
    ca: other,
  });
  await withServer((server) => assert.rejects(enrol(server, given), { code: "anchors-not-confirmed" }), {
    ca: other,
    tls: good,
  });
});

test("fail/a renewal that brings another device's certificate: the old one stays", async () => {
  const ca = await scriptedCa("Root");
  await withServer((server) => enrol(server, { kind: "explicit", anchors: [ca.certificate] }).then(() => {}), { ca });
  const before = await currentIdentity(directory);
  const other = nameOf("another device");
  const renaming: ScriptedCa = {
    ...ca,
    issue: (subject, key, extensions) => ca.issue(extensions === undefined ? other : subject, key, extensions),
  };
  await withServer(
    async (server) => assert.rejects(renew(server, await keptAnchors()), { code: "certificate-names-another" }),
    { ca: renaming },
  );
  assert.deepEqual((await currentIdentity(directory))?.chain, before?.chain);
});

test("ok/a server whose own certificate is of a public CA, and that waits for a person: both associations are verified by that", async () => {
  const tls = await scriptedCa("Root of the world");
  await withServer(
    async (server) => {
      let left = 1;
      server.answer = ({ method }) => (method === "POST" && left-- > 0 ? http(202, ["Retry-After: 1"], "") : undefined);
      assert.equal((await enrol(server, { kind: "implicit", anchors: [tls.certificate] })).trust, "implicit");
      assert.equal(server.associations(), 2);
      assert.deepEqual((await currentAnchors(directory))?.map(hex), [hex(server.ca.certificate)]);
    },
    { tls },
  );
});

test("fail/given as an anchor for the first time, a public CA vouches for no other CA", async () => {
  const tls = await scriptedCa("Root of the world");
  await withServer(
    (server) =>
      assert.rejects(enrol(server, { kind: "explicit", anchors: [tls.certificate] }), {
        code: "anchors-not-confirmed",
      }),
    { tls },
  );
});

test("fail/implicit: another name, and nothing stands for the name", () =>
  withServer(
    async (server) => {
      const trust: EstTrust = { kind: "implicit", anchors: [server.ca.certificate] };
      await assert.rejects(enrol(server, trust), { code: "name-mismatch" });
    },
    { addresses: [[127, 0, 0, 2]] },
  ));

test("fail/implicit: a root that is not among them", () =>
  withServer(async (server) => {
    const { certificate } = await scriptedCa("Another root");
    await assert.rejects(enrol(server, { kind: "implicit", anchors: [certificate] }), { code: "server-not-trusted" });
  }));

test("ok/switched off between the first trust and the certificate: what was confirmed is kept, and nobody is asked again", () =>
  withServer(async (server) => {
    let times = 0;
    const trust: EstTrust = {
      kind: "confirm",
      async confirm() {
        times += 1;
        return true;
      },
    };
    server.answer = ({ method }) => (method === "POST" ? "drop" : undefined);
    await assert.rejects(enrol(server, trust), { code: "association-closed" });
    assert.deepEqual((await readdir(directory)).toSorted(), ["anchors.pem", "pending-key.pem"]);
    assert.equal((await stat(join(directory, "anchors.pem"))).mode & 0o777, 0o600);
    server.answer = () => undefined;
    assert.equal((await enrol(server, trust)).trust, "explicit");
    assert.equal(times, 1);
    assert.deepEqual((await readdir(directory)).toSorted(), ["current", "sets"]);
  }));
