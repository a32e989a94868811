import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test, { after, before } from "node:test";
import { createApiApp } from "./api-app.ts";
import { listenUnix, requestUnix } from "./unix.ts";

let directory = "";
let count = 0;
const fresh = () => join(directory, `d${++count}`, "api.sock");
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

async function app() {
  const api = await createApiApp({ title: "Test", version: "1" });
  api.post("/echo", (request) => request.body);
  api.get("/nothing", (_request, reply) => reply.status(204).send());
  api.get("/text", () => "not JSON");
  api.get("/never", () => new Promise(() => {}));
  return api;
}

before(() => {
  directory = mkdtempSync(join(tmpdir(), "hatchery-unix-"));
});

after(() => rmSync(directory, { recursive: true }));

test("ok/a request and its answer in JSON, a socket for this user alone", async () => {
  const path = fresh();
  const api = await app();
  assert.equal(await listenUnix(api, path), path);
  assert.deepEqual([mode(dirname(path)), mode(path)], ["700", "600"]);
  const body = { name: "größe", list: [1, null] };
  assert.deepEqual(await requestUnix(path, { method: "POST", path: "/echo", body }), { status: 200, body });
  assert.deepEqual(await requestUnix(path, { method: "GET", path: "/nothing" }), { status: 204, body: undefined });
  assert.equal((await requestUnix(path, { method: "GET", path: "/unknown" })).status, 404);
  await api.close();
  assert.equal(existsSync(path), false);
});

test("ok/an over-long path moves to the runtime directory, and the client finds it by the path it was given", async () => {
  const { XDG_RUNTIME_DIR: runtime, TMPDIR: temporary } = process.env;
  const long = join(directory, "x".repeat(120), "api.sock");
  const places = [join(directory, "runtime"), undefined, join(directory, "y".repeat(120))];
  process.env["TMPDIR"] = directory;
  try {
    for (const place of places) {
      if (place === undefined) delete process.env["XDG_RUNTIME_DIR"];
      else process.env["XDG_RUNTIME_DIR"] = place;
      const api = await app();
      const path = await listenUnix(api, long);
      const expected =
        place === places[0]
          ? join(directory, "runtime", "hatchery")
          : join(directory, `hatchery-${process.getuid?.()}`);
      assert.equal(dirname(path), expected);
      assert.deepEqual([mode(dirname(path)), mode(path)], ["700", "600"]);
      assert.equal((await requestUnix(long, { method: "GET", path: "/nothing" })).status, 204);
      assert.equal((await requestUnix(path, { method: "GET", path: "/nothing" })).status, 204);
      await api.close();
    }
  } finally {
    restore("XDG_RUNTIME_DIR", runtime);
    restore("TMPDIR", temporary);
  }
});

test("ok/the socket of a process that was killed is replaced", async () => {
  const path = fresh();
  mkdirSync(dirname(path), { mode: 0o700 });
  const script = `require("node:net").createServer().listen(process.argv[1], () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  assert(existsSync(path));
  await assert.rejects(requestUnix(path, { method: "GET", path: "/nothing" }), { code: "service-not-running" });
  const api = await app();
  await listenUnix(api, path);
  assert.equal((await requestUnix(path, { method: "GET", path: "/nothing" })).status, 204);
  await api.close();
});

test("fail/a live socket is never replaced", async () => {
  const path = fresh();
  const [first, second] = [await app(), await app()];
  await listenUnix(first, path);
  await assert.rejects(listenUnix(second, path), { code: "address-in-use" });
  assert.equal((await requestUnix(path, { method: "GET", path: "/nothing" })).status, 204);
  await Promise.all([first.close(), second.close()]);
});

test("fail/a file in the way is kept", async () => {
  const path = fresh();
  mkdirSync(dirname(path), { mode: 0o700 });
  writeFileSync(path, "precious");
  const api = await app();
  await assert.rejects(listenUnix(api, path), { code: "listen-failed" });
  assert.equal(statSync(path).size, 8);
  await api.close();
});

test("fail/a directory that others can enter", async () => {
  const path = fresh();
  mkdirSync(dirname(path));
  chmodSync(dirname(path), 0o755);
  const api = await app();
  await assert.rejects(listenUnix(api, path), { code: "listen-failed", message: /0700/ });
  await api.close();
});

test("fail/no service: the sentence says how to start it", async () => {
  await assert.rejects(requestUnix(fresh(), { method: "GET", path: "/" }), {
    code: "service-not-running",
    message: /hatchery up/,
  });
});

test("fail/a service that does not answer, or not with JSON", async () => {
  const path = fresh();
  const api = await app();
  await listenUnix(api, path);
  await assert.rejects(requestUnix(path, { method: "GET", path: "/never", timeout: 30 }), { code: "timeout" });
  await assert.rejects(requestUnix(path, { method: "GET", path: "/text" }), { code: "broken-response" });
  await api.close();
});

const misbehaviours = {
  "broken-response": "SSH-2.0\r\n",
  "association-closed": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
  "response-too-large": "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
};

for (const [code, text] of Object.entries(misbehaviours))
  test(`fail/another program on the socket: ${code}`, async () => {
    const path = fresh();
    mkdirSync(dirname(path), { mode: 0o700 });
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(text));
    }).listen(path);
    await once(server, "listening");
    await assert.rejects(requestUnix(path, { method: "GET", path: "/" }), { code });
    server.close();
  });

function restore(name: string, value: string | undefined): void {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
