import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { encodeWireBase64 } from "../../src/encoding/base64.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { encodeCertsOnly } from "../../src/pki/cms.ts";
import { keyPurposes } from "../../src/pki/oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage, encodeSubjectAltName } from "../../src/pki/standard-extensions.ts";
import { decodeAuthorization, digestChallenge } from "../../src/protocols/est/http-authorization.ts";
import type { EstDeviceSettings, EstTrust } from "../../src/protocols/est/index.ts";
import { digestSecret, verifyDigestResponse } from "../../src/protocols/est/keys-digest.ts";
import { hatchery } from "../system/hatchery.ts";
import { authorityExtensions, type CraftedIssuer, commonName, selfSigned } from "./crafted.ts";
import { enrolDevice, startService, type TestService } from "./service.ts";

/** How our device authenticates itself and its server over real sockets (RFC 7030 3.2.3, 3.6). */

const credentials = { user: "line", password: "correct horse battery" };
/** A clock by which a pause of seconds takes a fifth of one. */
const impatient: Clock = { ...systemClock, sleep: (time, signal) => systemClock.sleep(time / 25, signal) };

let service: TestService;

before(async () => {
  service = await startService();
  await service.call("PUT", "/est-users/line", { password: credentials.password, devices: "*", digest: "sha-256" });
  await service.call("PUT", "/est-users/old", { password: credentials.password, devices: "*", digest: "md5" });
});

after(() => service.close());

describe("our device and our server", () => {
  for (const [name, settings] of [
    ["basic", {}],
    ["digest", { httpAuthentication: "digest" }],
    ["digest-md5", { httpAuthentication: "digest-md5", credentials: { ...credentials, user: "old" } }],
  ] as const)
    test(`ok/${name}: enrolled, with the request linked to its connection`, async () => {
      const { ledger } = await enrolDevice(service, "simpleenroll", `by-${name}`, { credentials, ...settings });
      const sent = JSON.stringify(ledger.events.filter((event) => event.kind === "frame"));
      assert.equal(sent.includes("est.device.password"), name === "basic", "the password went over the wire");
    });

  test("ok/digest: a device that waits answers by the same nonce on each new connection", async () => {
    const rule = await service.call<{ readonly id: string }>("POST", "/rules", {
      verdict: "wait",
      match: { credential: "password" },
    });
    let refusals = 0;
    const waiting = (_: number, run: string | undefined) => {
      refusals = service.rows("runs").filter(({ reason }) => reason === "credentials-missing").length;
      void service.call("POST", `/approvals/${run}`, { state: "approved" });
    };
    const settings = { credentials, httpAuthentication: "digest" } as const;
    await enrolDevice(service, "simpleenroll", "waits-1", settings, { waiting, clock: impatient });
    const challenged = service.rows("runs").filter(({ reason }) => reason === "credentials-missing").length;
    assert.equal(challenged, refusals, "it was challenged once");
    await service.call("DELETE", `/rules/${rule.id}`);
  });

  test("ok/digest: where requests of anybody wait, the challenge comes all the same", async () => {
    const rule = await service.call<{ readonly id: string }>("POST", "/rules", {
      verdict: "wait",
      match: { credential: "anonymous" },
    });
    await service.call("PUT", "/ca/profiles/cmc", { fullcmc: "allowed" });
    const settings = { credentials, httpAuthentication: "digest" } as const;
    await enrolDevice(service, "simpleenroll", "not-anybody-1", settings);
    const server = { host: "127.0.0.1", port: service.port, label: "cmc" };
    const trust = { kind: "explicit", anchors: [service.root] } as const;
    await enrolDevice(service, "fullcmc", "not-anybody-2", { ...settings, server: { ...server, trust } });
    await service.call("DELETE", `/rules/${rule.id}`);
  });

  test("fail/digest: a wrong password is sent once", async () => {
    const wrong = () => service.rows("runs").filter(({ reason }) => reason === "credentials-wrong").length;
    const before = wrong();
    await assert.rejects(
      enrolDevice(service, "simpleenroll", "wrong-1", {
        credentials: { ...credentials, password: "wrong horse battery" },
        httpAuthentication: "digest",
      }),
      { code: "server-refused" },
    );
    assert.equal(wrong(), before + 1);
  });

  test("ok/hatchery device est --http-auth digest, after hatchery est user add --digest", async () => {
    const added = await hatchery(["est", "user", "add", "cli-1", "--digest", "--json", "--data", service.data]);
    const listed = await hatchery(["est", "user", "list", "--json", "--data", service.data]);
    const { items } = JSON.parse(listed.stdout) as { readonly items: readonly { name: string; digest?: string }[] };
    assert.deepEqual(
      items.map(({ name, digest }) => [name, digest]),
      [
        ["cli-1", "sha-256"],
        ["line", "sha-256"],
        ["old", "md5"],
      ],
    );
    const { password } = JSON.parse(added.stdout) as { readonly password: string };
    const ca = await hatchery(["ca", "export", "--data", service.data, "--out", `${service.data}/cli-ca.pem`]);
    assert.equal(ca.code, 0, ca.stderr);
    const at = ["--url", `https://127.0.0.1:${service.port}`, "--ca", `${service.data}/cli-ca.pem`];
    const how = ["--user", "cli-1", "--http-auth", "digest", "--name", "cli-1", "--out", `${service.data}/cli-1`];
    const { code, stderr } = await hatchery(["device", "est", ...at, ...how], { env: { HATCHERY_PASSWORD: password } });
    assert.equal(code, 0, stderr);
  });
});

describe("our device and a scripted server", () => {
  let root: CraftedIssuer;
  before(async () => {
    root = await selfSigned(commonName("Scripted CA"), authorityExtensions());
  });

  interface Scripted {
    readonly server: Server;
    readonly port: number;
    /** The Authorization fields of the enrolments that came. */
    readonly presented: (string | undefined)[];
    /** How many connections there were. */
    connections: number;
  }

  /** Publishes its CA, and answers each enrolment with the next of `answers`, then with `last`. */
  async function scripted(
    answers: readonly { readonly challenges: readonly string[]; readonly close?: boolean | "silently" }[],
    {
      name = "127.0.0.1",
      purposes = [keyPurposes.serverAuth],
      last = 403,
    }: { name?: string; purposes?: readonly string[]; last?: number } = {},
  ): Promise<Scripted> {
    const own = await root.issue(commonName("server"), {
      extensions: [
        encodeKeyUsage(["digitalSignature"]),
        encodeExtKeyUsage(purposes),
        encodeSubjectAltName(
          name === "127.0.0.1"
            ? [{ kind: "iPAddress", address: Uint8Array.of(127, 0, 0, 1) }]
            : [{ kind: "dNSName", text: name }],
        ),
      ],
    });
    const left = [...answers];
    const presented: Scripted["presented"] = [];
    const server = createServer(
      { cert: encodePem("CERTIFICATE", own.chain[0] as Uint8Array), key: privateKeyToPem(own.key) },
      (request, reply) => {
        request.resume();
        request.once("end", () => {
          if (request.url?.endsWith("/cacerts") === true) {
            const body = encodeWireBase64(encodeCertsOnly([root.chain[0] as Uint8Array]), "line");
            reply.writeHead(200, { "Content-Type": "application/pkcs7-mime", "Content-Length": body.length }).end(body);
            return;
          }
          if (request.method !== "POST") {
            reply.writeHead(404, { "Content-Length": 0 }).end();
            return;
          }
          presented.push(request.headers.authorization);
          const next = left.shift();
          reply.writeHead(next === undefined ? last : 401, [
            ...(next === undefined ? ["Retry-After", "1"] : []),
            ...(next?.challenges ?? []).flatMap((each) => ["WWW-Authenticate", each]),
            ...(next?.close === true ? ["Connection", "close"] : []),
            "Content-Length",
            "0",
          ]);
          reply.end(() => {
            if (next?.close === "silently") request.socket.destroy();
          });
        });
      },
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const made: Scripted = { server, port: (server.address() as AddressInfo).port, presented, connections: 0 };
    server.on("secureConnection", () => {
      made.connections += 1;
    });
    return made;
  }

  async function enrols(
    { server, port }: Scripted,
    settings: Partial<EstDeviceSettings>,
    trust: EstTrust["kind"] & ("explicit" | "implicit") = "explicit",
  ): Promise<unknown> {
    const anchors = [root.chain[0] as Uint8Array];
    try {
      await enrolDevice(service, "simpleenroll", `scripted-${port}`, {
        server: { host: "127.0.0.1", port, trust: { kind: trust, anchors } },
        ...settings,
      });
      return assert.fail("nobody can have certified it");
    } catch (error) {
      return error;
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  const codeAnd = (error: unknown) => (error instanceof Error && "code" in error ? `${error.code}` : `${error}`);
  const path = "/.well-known/est/simpleenroll";
  const sha = digestChallenge("SHA-256", "n1", false);
  const md5 = digestChallenge("MD5", "n2", false);

  /** The algorithm of a right Digest. */
  function digestIn(field: string | undefined): string {
    const read = decodeAuthorization(field, { method: "POST", path });
    assert.ok(read?.kind === "digest");
    const secret = digestSecret(read.algorithm, credentials.user, "est", credentials.password);
    assert.ok(verifyDigestResponse(secret, read, read.response));
    return read.algorithm;
  }

  for (const close of [false, true])
    test(`fail/digest: 202 to what no challenge came for${close ? ", after a challenge that is none" : ""}`, async () => {
      const server = await scripted(close ? [{ challenges: [], close }] : [], { last: 202 });
      const error = await enrols(server, { credentials, httpAuthentication: "digest" });
      assert.equal(codeAnd(error), "challenge-missing");
      assert.deepEqual(server.presented, [undefined, undefined], "an empty POST, and the request");
    });

  test("ok/a server that closes with its challenge is answered on a new connection", async () => {
    const server = await scripted([{ challenges: [md5, sha], close: true }]);
    const error = await enrols(server, { credentials, httpAuthentication: "digest" });
    assert.equal(codeAnd(error), "server-refused");
    assert.equal(server.presented[0], undefined);
    assert.equal(digestIn(server.presented[1]), "SHA-256");
    assert.deepEqual([server.presented.length, server.connections], [2, 2]);
  });

  test("ok/a server that ends the association behind its challenge, without a word, is answered on a new one", async () => {
    const server = await scripted([{ challenges: [sha], close: "silently" }]);
    const error = await enrols(server, { credentials, httpAuthentication: "digest" });
    assert.equal(codeAnd(error), "server-refused");
    assert.equal(digestIn(server.presented.at(-1)), "SHA-256");
    assert.equal(server.connections, 2);
  });

  test("ok/a server that takes Digest alone is answered by it although Basic was sent first", async () => {
    const server = await scripted([{ challenges: [sha] }]);
    await enrols(server, { credentials });
    assert.match(server.presented[0] ?? "", /^Basic /);
    assert.equal(digestIn(server.presented[1]), "SHA-256");
  });

  test("ok/MD5 is answered where the user allows it, fail/where not", async () => {
    const allowed = await scripted([{ challenges: [md5] }]);
    await enrols(allowed, { credentials, httpAuthentication: "digest-md5" });
    assert.equal(digestIn(allowed.presented[1]), "MD5");
    const refused = await scripted([{ challenges: [md5] }]);
    assert.equal(
      codeAnd(await enrols(refused, { credentials, httpAuthentication: "digest" })),
      "challenge-unanswerable",
    );
    assert.deepEqual(refused.presented, [undefined]);
  });

  test("fail/a server that asks for nothing that is known: nothing more is sent, and the connection ends", async () => {
    const server = await scripted([{ challenges: ['Bearer realm="est"'] }]);
    const closed = once(server.server, "secureConnection").then(([socket]) => once(socket, "close"));
    const error = await enrols(server, { credentials });
    assert.equal(codeAnd(error), "challenge-unanswerable");
    assert.match(`${error}`, /by Bearer, and this device is set to answer Basic and Digest with SHA-256 only/);
    await closed;
    assert.equal(server.presented.length, 1);
  });

  test("fail/a server that is not authorised hears nothing of the user", async () => {
    const stranger = await scripted([{ challenges: [sha] }], { name: "other.example" });
    assert.equal(codeAnd(await enrols(stranger, { credentials })), "name-mismatch");
    assert.deepEqual(stranger.presented, []);
  });

  const ra = { name: "other.example", purposes: [keyPurposes.serverAuth, keyPurposes.cmcRA] };

  test("ok/id-kp-cmcRA stands for the name of the host under explicit anchors", async () => {
    assert.equal(codeAnd(await enrols(await scripted([], ra), { credentials })), "server-refused");
  });

  test("fail/id-kp-cmcRA stands for nothing under implicit anchors", async () => {
    const server = await scripted([], ra);
    assert.equal(codeAnd(await enrols(server, { credentials }, "implicit")), "name-mismatch");
    assert.deepEqual(server.presented, []);
  });
});
