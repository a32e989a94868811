import assert from "node:assert/strict";
import test from "node:test";
import { z } from "zod";
import { type ApiApp, createApiApp } from "../../src/transport/http/api-app.ts";

// Stands here because the transport room itself knows no schemas.

async function app(): Promise<ApiApp> {
  const api = await createApiApp({ title: "Test", version: "1.2.3" });
  const body = z.object({ name: z.string().min(2), tags: z.array(z.object({ key: z.string() })).optional() });
  const wishes = z.strictObject({
    keys: z.array(z.enum(["P-256", "RSA"])).min(1),
    lifetime: z.number().min(60_000).max(90_000).optional(),
    oid: z
      .string()
      .regex(/^[0-2]\.\d+$/)
      .optional(),
    which: z.union([z.literal("endless"), z.number()]).optional(),
    all: z.literal(true).optional(),
  });
  const query = z.object({ limit: z.coerce.number().int().min(1).max(500).optional() });
  api.post("/wishes", { schema: { body: wishes, querystring: query } }, () => ({}));
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
    message: /^name: it has to be at least 2 characters long\.$/,
  },
  "a nested field": {
    url: "/things/7",
    payload: { name: "xy", tags: [{}] },
    message: /^tags\[0\]\.key: it is missing\.$/,
  },
  "a parameter that does not fit": {
    url: "/things/x",
    payload: { name: "xy" },
    message: /^id: it has to be of the type number\.$/,
  },
  "no body": { url: "/things/7", payload: undefined, message: /^the body: it has to be of the type object\.$/ },
  "a word that is none of several": {
    url: "/wishes",
    payload: { keys: ["P-192"] },
    message: /^keys\[0\]: it has to be one of P-256, RSA\.$/,
  },
  "an empty list": { url: "/wishes", payload: { keys: [] }, message: /^keys: it is empty\.$/ },
  "a number that is too small": {
    url: "/wishes",
    payload: { keys: ["RSA"], lifetime: 0 },
    message: /^lifetime: it has to be at least 60000\.$/,
  },
  "a number that is too large": {
    url: "/wishes?limit=501",
    payload: { keys: ["RSA"] },
    message: /^limit: it has to be at most 500\.$/,
  },
  "a text of another form": {
    url: "/wishes",
    payload: { keys: ["RSA"], oid: "a" },
    message: /^oid: it is not of the form that is wanted\.$/,
  },
  "none of several forms": {
    url: "/wishes",
    payload: { keys: ["RSA"], which: "soon" },
    message: /^which: it is not of the form that is wanted\.$/,
  },
  "another value than the only one": {
    url: "/wishes",
    payload: { keys: ["RSA"], all: false },
    message: /^all: it has to be true\.$/,
  },
  "a field that nobody knows": {
    url: "/wishes",
    payload: { keys: ["RSA"], kyes: [] },
    message: /^the body: nobody knows the field kyes\.$/,
  },
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
