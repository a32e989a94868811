import assert from "node:assert/strict";
import { connect } from "node:net";
import test from "node:test";
import { HatcheryError } from "../../core/errors.ts";
import { type ApiApp, createApiApp } from "./api-app.ts";

async function app(onError?: (error: unknown) => void): Promise<ApiApp> {
  const api = await createApiApp({
    title: "Test",
    version: "1.2.3",
    errorOf: (error) =>
      error instanceof HatcheryError ? { status: 409, code: error.code, message: error.message } : undefined,
    ...(onError === undefined ? {} : { onError }),
  });
  api.post("/echo", (request) => request.body);
  api.get("/files/:name", { schema: { hide: true } }, () => "");
  api.get("/conflict", () => {
    throw new HatcheryError("taken", "The name is taken.");
  });
  api.get("/fails", () => {
    throw new Error("the secret reason");
  });
  return api;
}

test("ok/a request in JSON", async () => {
  const api = await app();
  const response = await api.inject({ method: "POST", url: "/echo", payload: { name: "lamp" } });
  assert.deepEqual([response.statusCode, response.json()], [200, { name: "lamp" }]);
  await api.close();
});

test("ok/OpenAPI 3.1 describes the routes", async () => {
  const api = await app();
  const document = (await api.inject("/openapi.json")).json();
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.info, { title: "Test", version: "1.2.3" });
  assert.deepEqual(Object.keys(document.paths), ["/echo", "/conflict", "/fails"]);
  await api.close();
});

const refused = {
  "a body that is not JSON": {
    method: "POST",
    url: "/echo",
    payload: "{",
    status: 400,
    code: "invalid-request",
    message: /JSON/,
  },
  "a body that is too large": {
    method: "POST",
    url: "/echo",
    payload: { name: "x".repeat(1024 * 1024) },
    status: 413,
    code: "invalid-request",
    message: /large/,
  },
  "another type": {
    method: "POST",
    url: "/echo",
    payload: "a",
    type: "application/xml",
    status: 415,
    code: "invalid-request",
    message: /Media Type/,
  },
  "an unknown path": {
    method: "GET",
    url: "/nothing?secret=1",
    status: 404,
    code: "not-found",
    message: /GET \/nothing\.$/,
  },
  "an error that the service knows": {
    method: "GET",
    url: "/conflict",
    status: 409,
    code: "taken",
    message: /^The name is taken\.$/,
  },
  "an error that nobody knows": { method: "GET", url: "/fails", status: 500, code: "internal", message: /log\.$/ },
} as const;

for (const [name, expected] of Object.entries(refused))
  test(`fail/${name}: ${expected.status}`, async () => {
    const failures: unknown[] = [];
    const api = await app((error) => failures.push(error));
    const { method, url, status, code, message } = expected;
    const response = await api.inject({
      method,
      url,
      ...("payload" in expected
        ? {
            payload: expected.payload,
            headers: { "content-type": "type" in expected ? expected.type : "application/json" },
          }
        : {}),
    });
    const { error } = response.json();
    assert.equal(response.statusCode, status);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal(failures.length, status === 500 ? 1 : 0);
    await api.close();
  });

for (const [name, text] of Object.entries({
  "a broken request": "nonsense\r\n\r\n",
  "a path that cannot be decoded": "GET /files/%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}))
  test(`fail/${name}: 400`, async () => {
    const api = await app();
    await api.listen({ host: "127.0.0.1", port: 0 });
    const { port } = new URL(api.listeningOrigin);
    const answer = await new Promise<string>((resolve) => {
      let read = "";
      connect(Number(port), "127.0.0.1")
        .on("data", (chunk) => {
          read += chunk;
        })
        .on("close", () => resolve(read))
        .end(text);
    });
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.equal(JSON.parse(answer.slice(answer.indexOf("\r\n\r\n"))).error.code, "broken-request");
    await api.close();
  });
