import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { utf8 } from "../../core/bytes.ts";
import { fresh, get, post, reports } from "./listener.test-support.ts";
import { listenHttp, type PlainRoute } from "./plain-listener.ts";
import { converse, type RawOptions } from "./raw-peer.test-support.ts";
import type { Serving, ServingOptions } from "./serve.ts";

const plain = (status: number, text: string) => ({ status, headers: [["ETag", '"1"']] as const, body: utf8(text) });

const routes: readonly PlainRoute[] = [
  { method: "GET", path: "/crl/:tenant/:file", bodyLimit: 0, handle: async (_, p) => plain(200, JSON.stringify(p)) },
  { method: "HEAD", path: "/crl/:tenant/:file", bodyLimit: 0, handle: async () => plain(200, "as long as that") },
  { method: "GET", path: "/unchanged", bodyLimit: 0, handle: async () => plain(304, "") },
  { method: "GET", path: "/rest/*", bodyLimit: 0, handle: async (_, parameters) => plain(200, parameters["*"] ?? "") },
  { method: "POST", path: "/echo", bodyLimit: 100, handle: async ({ body }) => ({ status: 200, headers: [], body }) },
  {
    method: "GET",
    path: "/fails",
    bodyLimit: 0,
    handle: async () => {
      throw new Error("the secret reason");
    },
  },
];

/** What a listener without TLS answers to `text`, once for each response. */
async function answers(text: string, raw: RawOptions = {}, options: Partial<ServingOptions> = {}) {
  const own = await listen(options);
  try {
    return await converse(own.port, text, { ...raw, plain: true });
  } finally {
    await own.close();
  }
}

function listen(options: Partial<ServingOptions> = {}): Promise<Serving> {
  return listenHttp({ host: "127.0.0.1", port: 0, routes, onError: (report) => reports.push(report), ...options });
}

const codes = () => reports.map(({ code }) => code);

fresh("ok/parameters, the rest of a path, and a body", async () => {
  const text = get("/crl/a/b%20c.crl") + get("/rest/x/y%2Fz") + post("Content-Length: 3\r\n", "abc");
  const { responses } = await answers(text, { responses: 3 });
  assert.deepEqual(
    responses.map(({ body }) => body),
    ['{"tenant":"a","file":"b c.crl"}', "x/y/z", "abc"],
  );
  assert.deepEqual(codes(), []);
});

fresh("ok/HEAD tells the length and sends nothing", async () => {
  const text = `HEAD /crl/a/b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  const { reads } = await answers(text, { responses: Infinity });
  assert.match(reads.join(""), /^HTTP\/1\.1 200 OK\r\n[\s\S]*Content-Length: 15\r\n[\s\S]*\r\n\r\n$/);
});

fresh("ok/304 has no Content-Length", async () => {
  const { responses } = await answers(get("/unchanged"));
  assert.equal(responses[0]?.status, 304);
  assert.doesNotMatch(responses[0]?.head ?? "", /content-length/i);
});

for (const [name, text, status, code] of [
  ["an unknown path", get("/nothing"), 404, "not-found"],
  ["a wrong method", post("Content-Length: 1\r\n", "a", "/crl/a/b"), 405, "method-not-allowed"],
  ["a method that nobody knows", "BREW /echo HTTP/1.1\r\nHost: a\r\n\r\n", 400, "broken-request"],
  ["a body that is too large", post("Content-Length: 101\r\n", "a".repeat(101)), 413, "body-too-large"],
  ["content in a GET", `${get("/unchanged", "Content-Length: 1\r\n")}a`, 413, "body-too-large"],
  ["no Host", "GET /unchanged HTTP/1.1\r\n\r\n", 400, "field-missing"],
  ["a tunnel", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501, "method-unknown"],
  ["a path that is too long", get(`/crl/a/${"b".repeat(300)}`), 414, "path-too-long"],
  ["a header that is too long", get("/unchanged", `X: ${"a".repeat(17_000)}\r\n`), 431, "header-too-large"],
  ["TLS", "\x16\x03\x01\x00\x05hello", 400, "broken-request"],
  ["a fault of ours", get("/fails"), 500, "handler-failed"],
] as const)
  fresh(`fail/${name}: ${status}`, async () => {
    const { responses } = await answers(text);
    assert.equal(responses[0]?.status, status);
    assert.doesNotMatch(responses[0]?.body ?? "", /secret/);
    assert.deepEqual(codes(), [code]);
  });

for (const [name, text] of Object.entries({
  "nothing at all": "",
  "half a header": "GET / HT",
  "half a body": post("Content-Length: 2\r\n", "a"),
}))
  fresh(`fail/${name} in time: 408 and the end`, async () => {
    const limits = { headersTimeout: 100, requestTimeout: 150 };
    const { responses, ended } = await answers(text, { responses: Infinity }, { limits });
    assert.deepEqual([responses[0]?.status, ended, codes()], [408, true, ["request-timeout"]]);
  });

fresh("fail/one address over its cap is dropped", async () => {
  const own = await listen({ limits: { connectionsPerAddress: 1 } });
  const first = connect(own.port, "127.0.0.1");
  await once(first, "connect");
  const { responses } = await converse(own.port, get("/unchanged"), { plain: true });
  assert.deepEqual([responses, codes()], [[], ["too-many-connections-of-address"]]);
  first.destroy();
  await own.close();
});

fresh("fail/more connections than are served: 503", async () => {
  const own = await listen({ limits: { connections: 1 } });
  const first = connect(own.port, "127.0.0.1");
  await once(first, "connect");
  const { responses } = await converse(own.port, get("/unchanged"), { plain: true });
  assert.deepEqual([responses[0]?.status, codes()], [503, ["too-many-connections"]]);
  first.destroy();
  await own.close();
});

fresh("fail/a port that is in use", async () => {
  const own = await listen();
  await assert.rejects(listen({ port: own.port }), { code: "address-in-use" });
  await own.close();
});

fresh("ok/closing ends idle connections at once", async () => {
  const own = await listen();
  const idle = connect(own.port, "127.0.0.1");
  await once(idle, "connect");
  idle.write(get("/unchanged"));
  await once(idle, "data");
  const ended = once(idle, "end");
  await own.close(60_000);
  await ended;
  idle.destroy();
});
