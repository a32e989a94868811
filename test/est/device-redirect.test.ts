import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { systemRandomness } from "../../src/core/randomness.ts";
import { deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { type EstDeviceSettings, EstFailed, enroll } from "../../src/protocols/est/index.ts";
import { defaultHttpLimits } from "../../src/transport/http/limits.ts";
import { createPskServer } from "../../src/transport/http/psk.ts";
import { type ScriptedCa, scriptedCa } from "../system/scripted-upstream.ts";
import {
  http,
  type ScriptedAnswer,
  type ScriptedRequest,
  type ScriptedServer,
  scriptedServer,
} from "./scripted-server.ts";

/** Where a device follows a server that answers with another address (RFC 7030 3.2.1, 3.6). */

let parent = "";
let ca: ScriptedCa;
const servers: ScriptedServer[] = [];
let devices = 0;

before(async () => {
  parent = await mkdtemp(join(tmpdir(), "hatchery-redirect-"));
  ca = await scriptedCa("Scripted EST root");
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

after(() => rm(parent, { recursive: true }));

async function start(options: Parameters<typeof scriptedServer>[0] = {}): Promise<ScriptedServer> {
  const server = await scriptedServer({ ca, ...options });
  servers.push(server);
  return server;
}

function enrol({ port }: ScriptedServer, settings: Partial<EstDeviceSettings> = {}) {
  devices += 1;
  const trust = { kind: "explicit", anchors: [ca.certificate] } as const;
  const server = { host: "127.0.0.1", port, trust };
  const all = { server, subject: deviceName("lamp"), keyKind: "P-256", binding: "auto", patience: 5_000 } as const;
  return enroll("simpleenroll", { ...all, ...settings }, nodeEstEnv({ directory: join(parent, `${devices}`) }));
}

const redirect = (status: number, location: string, ...more: readonly string[]) =>
  http(status, [`Location: ${location}`, ...more], "");
const asked = (server: ScriptedServer) =>
  server.requests.map(({ association, method, path }) => `${association} ${method} ${path}`);
const at = (server: ScriptedServer, path = "/moved") => `https://127.0.0.1:${server.port}${path}`;

/** Answers the first requests for which it has something, and the rest as a good server does. */
function once(
  operation: string,
  ...answers: readonly ScriptedAnswer[]
): (request: ScriptedRequest) => ScriptedAnswer | undefined {
  const left = [...answers];
  return ({ path }) => (path.endsWith(operation) ? left.shift() : undefined);
}

for (const status of [301, 302, 303, 307, 308])
  test(`ok/a GET within the origin after ${status}, on the same association`, async () => {
    const server = await start();
    server.answer = once("est/cacerts", redirect(status, "/pki/cacerts?set=2"));
    await enrol(server);
    assert.deepEqual(asked(server).slice(0, 2), ["0 GET /.well-known/est/cacerts", "0 GET /pki/cacerts?set=2"]);
    assert.equal(server.associations(), 1);
  });

for (const status of [307, 308])
  test(`ok/a POST within the origin after ${status}: the same request, which is bound to this association`, async () => {
    const server = await start();
    server.answer = once("est/simpleenroll", redirect(status, "labelled/simpleenroll"));
    await enrol(server);
    const [first, second] = server.requests.filter(({ method }) => method === "POST");
    assert.equal(second?.path, "/labelled/simpleenroll");
    assert.deepEqual(second?.csr?.raw, first?.csr?.raw);
    assert.equal(server.associations(), 1);
  });

test("ok/a server that ends the association with its redirect, or with cacerts, is asked over another one", async () => {
  const server = await start();
  server.answer = once("est/cacerts", { end: redirect(302, "/pki/cacerts", "Connection: close") });
  await enrol(server);
  assert.deepEqual(asked(server), [
    "0 GET /.well-known/est/cacerts",
    "1 GET /pki/cacerts",
    "2 GET /.well-known/est/csrattrs",
    "2 POST /.well-known/est/simpleenroll",
  ]);
});

test("fail/under a pre-shared key a GET goes to no other server, which would be told its identity", async () => {
  const key = systemRandomness.bytes(32);
  const other = await start();
  const server = createPskServer({ keyOf: () => key }, defaultHttpLimits);
  server.on("request", (_, response) => response.writeHead(307, { Location: at(other) }).end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const trust = { kind: "psk", identity: "lamp", key } as const;
    const settings = { server: { host: "127.0.0.1", port, trust }, redirect: "other-origin" } as const;
    await assert.rejects(enrol(other, settings), { code: "redirected", message: /another server/ });
    assert.equal(other.associations(), 0);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("fail/a user with a colon in the name: nothing is sent", async () => {
  const server = await start();
  const credentials = { user: "lamp:1", password: "correct horse" };
  await assert.rejects(enrol(server, { credentials }), { code: "user-malformed" });
  assert.equal(server.associations(), 0);
});

test("ok/a run's id is one by its form, and other words are not shown as one", async () => {
  const server = await start();
  for (const [words, run] of [
    ["0123456789abcdef", "0123456789abcdef"],
    ["1; reboot $(now)", undefined],
  ] as const) {
    server.answer = once("simpleenroll", http(403, [`Hatchery-Run: ${words}`], "no"));
    await assert.rejects(enrol(server), (error: unknown) => {
      assert.ok(error instanceof EstFailed);
      assert.equal(error.details["run"], run);
      return true;
    });
  }
});

for (const status of [301, 302, 303])
  test(`fail/a POST after ${status}, which could mean a GET`, async () => {
    const server = await start();
    server.answer = once("simpleenroll", redirect(status, "/moved"));
    await assert.rejects(enrol(server), { name: "EstFailed", code: "redirected" });
  });

test("ok/a GET elsewhere tells nobody who the device is, and the request stays with the server that was named", async () => {
  const [named, other] = [await start(), await start()];
  named.answer = once("cacerts", redirect(307, at(other, "/x/cacerts")));
  await enrol(named, { credentials: { user: "lamp", password: "correct horse" } });
  assert.deepEqual(asked(other), ["0 GET /x/cacerts"]);
  assert.equal(other.requests[0]?.hasClientCertificate, false);
  assert.equal(other.requests[0]?.authorization, undefined);
  assert.equal(named.requests.at(-1)?.method, "POST");
});

test("fail/a POST elsewhere without consent: no other server hears of it", async () => {
  const [named, other] = [await start(), await start()];
  named.answer = once("simpleenroll", redirect(307, at(other)));
  await assert.rejects(enrol(named), { code: "redirected", message: /another server, and nobody has agreed/ });
  assert.equal(other.associations(), 0);
});

test("ok/a POST elsewhere with consent: a new request for the same key, bound to the new association", async () => {
  const [named, other] = [await start(), await start()];
  named.answer = once("simpleenroll", redirect(308, at(other, "/x/simpleenroll")));
  await enrol(named, { redirect: "other-origin" });
  const [first, second] = [named.requests.at(-1)?.csr, other.requests[0]?.csr];
  assert.deepEqual(second?.subjectPublicKeyInfo, first?.subjectPublicKeyInfo);
  assert.ok(first?.challengePassword !== undefined && second?.challengePassword !== undefined);
  assert.notEqual(second.challengePassword, first.challengePassword);
});

test("fail/elsewhere is a server of another name, or of another CA: its answer is not looked at", async () => {
  const named = await start();
  for (const [options, code] of [
    [{ addresses: [[127, 0, 0, 2]] }, "name-mismatch"],
    [{ ca: await scriptedCa("Another root") }, "server-not-trusted"],
  ] as const) {
    const other = await start(options);
    for (const operation of ["cacerts", "simpleenroll"]) {
      named.answer = once(operation, redirect(307, at(other)));
      await assert.rejects(enrol(named, { redirect: "other-origin" }), { code });
    }
    assert.deepEqual(asked(other), []);
  }
});

test("fail/elsewhere under implicit anchors: each name on the way counts", async () => {
  const [named, other] = [await start(), await start({ addresses: [[127, 0, 0, 2]] })];
  named.answer = once("cacerts", redirect(302, at(other)));
  const trust = { kind: "implicit", anchors: [ca.certificate] } as const;
  await assert.rejects(enrol(named, { server: { host: "127.0.0.1", port: named.port, trust } }), {
    code: "name-mismatch",
  });
});

test("fail/a loop, within an origin and between two: five are followed", async () => {
  const [one, two] = [await start(), await start()];
  one.answer = ({ path }) => redirect(307, path);
  await assert.rejects(enrol(one), { code: "redirected", message: /has redirected 5 times already/ });
  assert.equal(one.requests.length, 6);
  one.answer = ({ path }) => redirect(307, at(two, path));
  two.answer = ({ path }) => redirect(307, at(one, path));
  await assert.rejects(enrol(one), { code: "redirected", message: /has redirected 5 times already/ });
  assert.equal(two.requests.length, 3);
});

for (const [name, location] of [
  ["no Location", undefined],
  ["two Locations", "/a\r\nLocation: /b"],
  ["http", "http://127.0.0.1/"],
  ["a scheme that nobody knows", "coaps://127.0.0.1/"],
  ["a user in the address", "https://admin@127.0.0.1/"],
  ["a Location without end", `/${"a".repeat(4000)}`],
  ["no address at all", "https://"],
] as const)
  test(`fail/a redirect with ${name}`, async () => {
    const server = await start();
    server.answer = once("cacerts", http(302, location === undefined ? [] : [`Location: ${location}`], ""));
    await assert.rejects(enrol(server), { name: "EstFailed", code: "redirected" });
    assert.equal(server.requests.length, 1);
  });
