import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { type ApiApp, createApiApp } from "../../src/transport/http/api-app.ts";

// Stands here because the transport room itself knows no schemas.

async function app(): Promise<ApiApp> {
  const api = await createApiApp({ title: "Test", version: "1.2.3" });
  const body = z.object({ name: z.string().min(2), tags: z.array(z.object({ key: z.string() })).optional() });
  const params = z.object({ id: z.coerce.number() });
  const response = { 200: z.object({ id: z.number(), name: z.string() }) };
  api.post("/things/:id", { schema: { body, params, response } }, (request) => ({
    id: request.params.id,
    name: request.body.name,
  }));
  return api;
}

test("ok/a valid request is decoded and answered by its schemas", async () => {
  const api = await app();
  const response = await api.inject({ method: "POST", url: "/things/7", payload: { name: "lamp", extra: 1 } });
  assert.equal(response.statusCode, 200);
  assert.deepEqual(response.json(), { id: 7, name: "lamp" });
  await api.close();
});

test("ok/the schemas are in the OpenAPI document", async () => {
  const api = await app();
  const document = (await api.inject("/openapi.json")).json();
  const { schema } = document.paths["/things/{id}"].post.requestBody.content["application/json"];
  assert.equal(schema.properties.name.minLength, 2);
  await api.close();
});

const refused = {
  "a field that does not fit": {
    url: "/things/7",
    payload: { name: "x" },
    message: /^The body\.name is not acceptable: /,
  },
  "a nested field": { url: "/things/7", payload: { name: "xy", tags: [{}] }, message: /^The body\.tags\.0\.key / },
  "a parameter that does not fit": { url: "/things/x", payload: { name: "xy" }, message: /^The params\.id / },
  "no body": { url: "/things/7", payload: undefined, message: /^The body is / },
};

for (const [name, { url, payload, message }] of Object.entries(refused))
  test(`fail/${name}: 400`, async () => {
    const api = await app();
    const response = await api.inject({ method: "POST", url, ...(payload === undefined ? {} : { payload }) });
    const { error } = response.json();
    assert.deepEqual([response.statusCode, error.code], [400, "invalid-request"]);
    assert.match(error.message, message);
    await api.close();
  });
