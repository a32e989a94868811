import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { codeOf } from "../../src/core/errors.ts";
import { currentIdentity, deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { type EstDeviceEnv, enroll } from "../../src/protocols/est/index.ts";
import { type ScriptedCa, scriptedCa } from "../system/scripted-upstream.ts";
import { certificates, http, type ScriptedAnswer, type ScriptedServer, scriptedServer } from "./scripted-server.ts";

/** A server that does not do what it should, at each of the device's requests: an error with a code, within bounded time. */

let parent = "";
let ca: ScriptedCa;
let server: ScriptedServer;
let devices = 0;

before(async () => {
  parent = await mkdtemp(join(tmpdir(), "hatchery-faults-"));
  ca = await scriptedCa("Scripted EST root");
  server = await scriptedServer({ ca });
});

afterEach(() => {
  server.answer = () => undefined;
});

after(async () => {
  server.close();
  await rm(parent, { recursive: true });
});

const timeouts = { connect: 1000, handshake: 1000, header: 150, body: 150 };

function enrol(directory: string, patience = 5_000, env: Partial<EstDeviceEnv> = {}) {
  const trust = { kind: "explicit", anchors: [ca.certificate] } as const;
  const address = { host: "127.0.0.1", port: server.port, trust };
  const settings = { subject: deviceName("lamp"), keyKind: "P-256", binding: "auto", patience } as const;
  return enroll("simpleenroll", { server: address, ...settings }, { ...nodeEstEnv({ directory, timeouts }), ...env });
}

function newDevice(): string {
  devices += 1;
  return join(parent, `${devices}`);
}

const type = "Content-Type: application/pkcs7-mime; smime-type=certs-only";
const head = (...fields: readonly string[]) => ["HTTP/1.1 200 OK", type, ...fields, "", ""].join("\r\n");

/** What is answered, and the codes that may come of it: for cacerts, for the request itself. */
const faults: readonly (readonly [name: string, answer: ScriptedAnswer, codes: readonly string[]])[] = [
  ["closes without a word", "drop", ["association-closed"]],
  ["says nothing", "silence", ["timeout"]],
  ["stalls in the header", "HTTP/1.1 200 OK\r\nContent-", ["timeout"]],
  ["stalls in the body", `${head("Content-Length: 400")}AAAA`, ["timeout"]],
  ["closes in the header", { end: "HTTP/1.1 200 OK\r\n" }, ["association-closed", "broken-response"]],
  ["closes in the body", { end: `${head("Content-Length: 400")}AAAA` }, ["association-closed", "broken-response"]],
  ["declares less than it sends", `${head("Content-Length: 4")}AAAAAAAA`, ["response-malformed"]],
  ["declares no number", `${head("Content-Length: many")}AAAA`, ["broken-response"]],
  ["declares two lengths", `${head("Content-Length: 4", "Content-Length: 8")}AAAAAAAA`, ["broken-response"]],
  [
    "declares a length and chunks",
    `${head("Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n`,
    ["broken-response"],
  ],
  ["sends garbage for chunks", `${head("Transfer-Encoding: chunked")}zz\r\nAAAA\r\n`, ["broken-response"]],
  [
    "stops between two chunks",
    { end: `${head("Transfer-Encoding: chunked")}4\r\nAAAA\r\n` },
    ["association-closed", "broken-response"],
  ],
  ["sends megabytes", `${head("Content-Length: 4000000")}${"A".repeat(2_000_000)}`, ["response-too-large"]],
  [
    "sends megabytes in chunks",
    `${head("Transfer-Encoding: chunked")}1e8480\r\n${"A".repeat(2_000_000)}\r\n`,
    ["response-too-large"],
  ],
  ["sends a header without end", `HTTP/1.1 200 OK\r\nX: ${"A".repeat(40_000)}`, ["response-too-large"]],
  ["speaks no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", ["broken-response"]],
  ["answers with an empty body", http(200, [type], ""), ["response-malformed"]],
  [
    "answers with a page of a captive portal",
    http(200, ["Content-Type: text/html"], "<html>"),
    ["response-media-type"],
  ],
  ["answers without a media type", http(200, [], "AAAA"), ["response-media-type"]],
  ["answers with two media types", http(200, [type, "Content-Type: text/html"], "AAAA"), ["response-media-type"]],
  ["answers with something that is not base64", http(200, [type], "(!)"), ["response-malformed"]],
  ["answers with something that is not DER", http(200, [type], "AAAAAAAA"), ["response-malformed"]],
  [
    "answers with a failure of CMC",
    http(200, ["Content-Type: application/pkcs7-mime; smime-type=CMC-response"], "MAA="),
    ["response-media-type"],
  ],
  ["answers 206", http(206, [type], "AAAA"), ["status-unexpected"]],
  ["answers 304", http(304, [], ""), ["redirected", "association-closed"]],
  ["answers 500 with a page", http(500, ["Content-Type: text/html"], "<h1>oops</h1>"), ["server-refused"]],
  ["answers 599", http(599, [], ""), ["server-refused"]],
];

for (const operation of ["cacerts", "simpleenroll"])
  for (const [name, answer, codes] of faults)
    test(`fail/${operation}: a server that ${name}`, async () => {
      server.answer = ({ path }) => (path.endsWith(operation) ? answer : undefined);
      const directory = newDevice();
      const begun = performance.now();
      await assert.rejects(enrol(directory), (error) => {
        assert.ok(codes.includes(codeOf(error)), `${codeOf(error)}: ${error}`);
        return true;
      });
      assert.ok(performance.now() - begun < 3000, "within the time that was set");
      assert.equal(await currentIdentity(directory), undefined);
      // The key is made when it is known what is asked for; from then on it stays for the next try.
      assert.deepEqual(await readdir(directory).catch(() => []), operation === "cacerts" ? [] : ["pending-key.pem"]);
    });

test("ok/a server that sends its answer in pieces, and in chunks", async () => {
  server.answer = ({ path }) => {
    if (!path.endsWith("cacerts")) return undefined;
    const body = certificates([ca.certificate]).split("\r\n\r\n")[1] ?? "";
    const half = Math.floor(body.length / 2);
    const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
    return `${head("Transfer-Encoding: chunked")}${chunk(body.slice(0, half))}${chunk(body.slice(half))}0\r\n\r\n`;
  };
  await enrol(newDevice());
});

/** A clock whose sleeps are told and take no time. */
function toldClock(slept: number[]): Clock {
  return {
    ...systemClock,
    monotonic: () => slept.reduce((sum, each) => sum + each, 0),
    sleep: async (milliseconds) => void slept.push(milliseconds),
  };
}

for (const [value, seconds] of [
  ["7", 7],
  ["99999999999", 86_400],
] as const)
  test(`ok/202 with Retry-After: ${value} waits for ${seconds} s, then asks over another association`, async () => {
    const before = server.associations();
    let left = 1;
    server.answer = ({ method }) =>
      method === "POST" && left-- > 0 ? http(202, [`Retry-After: ${value}`], "") : undefined;
    const slept: number[] = [];
    await enrol(newDevice(), 200_000_000, { clock: toldClock(slept) });
    assert.equal(server.associations() - before, 2);
    const [waited = 0] = slept;
    assert.ok(waited >= seconds * 1000 && waited <= seconds * 1250, `${waited}`);
  });

test("ok/202 tells a fleet one time, and it does not come back at one time", async () => {
  server.answer = ({ method }) => (method === "POST" ? http(202, ["Retry-After: 2"], "") : undefined);
  const pauses = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const slept: number[] = [];
      await assert.rejects(enrol(newDevice(), 5_000, { clock: toldClock(slept) }), { code: "waited-too-long" });
      return slept[0] ?? 0;
    }),
  );
  assert.ok(pauses.every((pause) => pause >= 2_000 && pause <= 2_500));
  assert.ok(new Set(pauses).size > 1, `${pauses}`);
});

test("fail/202 without Retry-After, and with two", async () => {
  for (const fields of [[], ["Retry-After: 1", "Retry-After: 2"]]) {
    server.answer = ({ method }) => (method === "POST" ? http(202, fields, "") : undefined);
    await assert.rejects(enrol(newDevice()), { name: "EstFailed", code: "retry-after-missing" });
  }
});

test("fail/202 with a wait that is longer than patience ends at once, and the key stays", async () => {
  server.answer = ({ method }) => (method === "POST" ? http(202, ["Retry-After: 6"], "") : undefined);
  const directory = newDevice();
  const slept: number[] = [];
  await assert.rejects(enrol(directory, 5_000, { clock: toldClock(slept) }), { code: "waited-too-long" });
  assert.deepEqual(slept, []);
  assert.deepEqual(await readdir(directory), ["pending-key.pem"]);
});

for (const operation of ["cacerts", "simpleenroll"])
  test(`ok/503 at ${operation}: asked again over a new association, within patience, and not before it was told`, async () => {
    const before = server.associations();
    let left = 2;
    server.answer = ({ path }) =>
      path.endsWith(operation) && left-- > 0 ? http(503, left === 1 ? ["Retry-After: 20"] : [], "") : undefined;
    const slept: number[] = [];
    await enrol(newDevice(), 100_000, { clock: toldClock(slept) });
    assert.equal(server.associations() - before, 3);
    const [first = 0, second = 0] = slept;
    assert.ok(first >= 20_000 && first <= 25_000, `${first}`);
    assert.ok(second >= 10_000 && second <= 12_500, `${second}`);
  });

test("fail/503 for longer than patience: what the server said, and the key stays", async () => {
  server.answer = ({ method }) => (method === "POST" ? http(503, [], "come back later") : undefined);
  const directory = newDevice();
  await assert.rejects(enrol(directory, 60_000, { clock: toldClock([]) }), {
    code: "server-busy",
    message: /503\): come back later/,
  });
  assert.deepEqual(await readdir(directory), ["pending-key.pem"]);
});

test("fail/the signal ends a wait, and an answer that does not come", async () => {
  for (const answer of [http(202, ["Retry-After: 3600"], ""), "silence"] as const) {
    const stop = new AbortController();
    server.answer = ({ method }) => {
      if (method !== "POST") return undefined;
      setImmediate(() => stop.abort(new Error("enough")));
      return answer;
    };
    await assert.rejects(enrol(newDevice(), 4_000_000, { signal: stop.signal }), { message: "enough" });
  }
});
