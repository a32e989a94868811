import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before } from "node:test";
import fc from "fast-check";
import { textOf, utf8 } from "../../core/bytes.ts";
import { fresh, get, host, listen, post, reports, routes, seen } from "./listener.test-support.ts";
import type { HttpListener } from "./listener.ts";
import { connected, converse } from "./raw-peer.test-support.ts";

let listener: HttpListener;

before(async () => {
  listener = await listen({ routes });
});

after(() => listener.close());

fresh("ok/a chunked body up to the limit", async () => {
  const body = `1f4\r\n${"a".repeat(500)}\r\n1f4\r\n${"b".repeat(500)}\r\n0\r\n\r\n`;
  const { responses } = await converse(listener.port, post("Transfer-Encoding: chunked\r\n", body));
  assert.equal(responses[0]?.status, 200);
  assert.equal(textOf(seen[0]?.body ?? utf8("")), "a".repeat(500) + "b".repeat(500));
});

fresh("ok/Expect: 100-continue is met before the body is sent", async () => {
  const socket = await connected(listener.port);
  socket.write(post("Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
  const [first] = await once(socket, "data");
  assert.equal(String(first), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.write("abc");
  const [second] = await once(socket, "data");
  assert.match(String(second), /^HTTP\/1\.1 200 OK\r\n[\s\S]*abc$/);
  socket.destroy();
});

fresh("ok/HTTP/1.0 needs no Host and gets the end of the connection", async () => {
  const { responses, ended } = await converse(listener.port, "GET /memory HTTP/1.0\r\n\r\n", {
    tls: { ALPNProtocols: ["http/1.0"] },
    responses: Infinity,
  });
  assert.equal(responses[0]?.status, 200);
  assert(ended);
});

interface Refused {
  readonly text: string;
  readonly status: number;
  readonly code: string;
  /** The next request of the connection is still answered. */
  readonly continues?: boolean;
  readonly field?: RegExp;
}

const refused: Readonly<Record<string, Refused>> = {
  "an unknown path": { text: get("/nothing"), status: 404, code: "not-found", continues: true },
  "an unknown path with a body": {
    text: post("Content-Length: 3\r\n", "abc", "/no"),
    status: 404,
    code: "not-found",
    continues: true,
  },
  "a wrong method": {
    text: get("/echo"),
    status: 405,
    code: "method-not-allowed",
    continues: true,
    field: /^Allow: POST, PUT\r$/m,
  },
  "a method without a route anywhere": {
    text: `PROPFIND /echo HTTP/1.1\r\n${host}\r\n`,
    status: 501,
    code: "method-unknown",
  },
  "a tunnel": { text: `CONNECT localhost:1 HTTP/1.1\r\n${host}\r\n`, status: 501, code: "method-unknown" },
  "a method that is none": { text: "hello\r\n\r\n", status: 400, code: "broken-request" },
  "a body over the limit": {
    text: post("Content-Length: 1001\r\n", "a".repeat(1_001)),
    status: 413,
    code: "body-too-large",
    continues: true,
  },
  "a body where none is taken": {
    text: `PUT /echo HTTP/1.1\r\n${host}Content-Length: 1\r\n\r\na`,
    status: 413,
    code: "body-too-large",
    continues: true,
  },
  "a body far over the limit": {
    text: post("Content-Length: 900000\r\n", "a".repeat(900_000)),
    status: 413,
    code: "body-too-large",
  },
  "a chunked body over the limit": {
    text: post("Transfer-Encoding: chunked\r\n", `3e9\r\n${"a".repeat(1_001)}\r\n0\r\n\r\n`),
    status: 413,
    code: "body-too-large",
    continues: true,
  },
  "a chunked body without an end": {
    text: post("Transfer-Encoding: chunked\r\n", `3e9\r\n${"a".repeat(1_001)}\r\n`.repeat(300)),
    status: 413,
    code: "body-too-large",
  },
  "an expected body over the limit": {
    text: post("Expect: 100-continue\r\nContent-Length: 1001\r\n", ""),
    status: 413,
    code: "body-too-large",
  },
  "another expectation": {
    text: post("Expect: 200-ok\r\nContent-Length: 0\r\n", ""),
    status: 417,
    code: "expectation-failed",
  },
  "two Content-Length": {
    text: post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"),
    status: 400,
    code: "broken-request",
  },
  "Content-Length and Transfer-Encoding": {
    text: post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    status: 400,
    code: "broken-request",
  },
  "two Transfer-Encoding": {
    text: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    status: 400,
    code: "broken-request",
  },
  "another transfer coding": {
    text: post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    status: 501,
    code: "coding-unknown",
  },
  "two Content-Type": {
    text: post("Content-Type: a/b\r\ncontent-type: a/b\r\nContent-Length: 1\r\n", "a"),
    status: 400,
    code: "field-repeated",
  },
  "two Authorization": {
    text: get("/memory", "Authorization: Basic YQ==\r\nAuthorization: Basic Yg==\r\n"),
    status: 400,
    code: "field-repeated",
  },
  "two Host": { text: get("/memory", host), status: 400, code: "field-repeated" },
  "no Host": { text: "GET /memory HTTP/1.1\r\n\r\n", status: 400, code: "field-missing" },
  "a folded field": { text: get("/memory", "A: b\r\n c\r\n"), status: 400, code: "broken-request" },
  "a bare line feed": { text: get("/memory", "A: b\nC: d\r\n"), status: 400, code: "broken-request" },
  "a broken chunk": { text: post("Transfer-Encoding: chunked\r\n", "zz\r\n"), status: 400, code: "broken-request" },
  "a path that cannot be decoded": {
    text: post("Content-Length: 0\r\n", "", "/est/%zz/simpleenroll"),
    status: 400,
    code: "broken-request",
  },
  "a label that is too long": {
    text: post("Content-Length: 0\r\n", "", `/est/${"a".repeat(257)}/simpleenroll`),
    status: 414,
    code: "path-too-long",
  },
  "a header over the limit": {
    text: get("/memory", `A: ${"b".repeat(60_000)}\r\n`),
    status: 431,
    code: "header-too-large",
  },
  "too many fields": { text: get("/memory", "A: b\r\n".repeat(100)), status: 431, code: "header-too-large" },
  "a handler that throws": { text: get("/fails"), status: 500, code: "handler-failed", continues: true },
  "a handler's field that cannot be written": {
    text: get("/broken-field"),
    status: 500,
    code: "handler-failed",
    continues: true,
  },
};

for (const [name, { text, status, code, continues = false, field }] of Object.entries(refused))
  fresh(`fail/${name}: ${status}`, async () => {
    const conversation = await converse(listener.port, continues ? text + get("/memory") : text, {
      responses: continues ? 2 : Infinity,
    });
    const [first, second] = conversation.responses;
    assert.equal(first?.status, status);
    assert.match(first?.head ?? "", /^content-type: text\/plain; charset=utf-8\r$/im);
    assert.match(first?.body ?? "", /^[A-Z][^\n]+\.\n$/);
    assert.doesNotMatch(first?.body ?? "", /secret| {4}at |\.ts/);
    if (field !== undefined) assert.match(first?.head ?? "", field);
    assert.deepEqual(
      reports.map((report) => report.code),
      [code],
    );
    assert.match(reports[0]?.address ?? "", /^127\.0\.0\.1:\d+$/);
    if (continues) assert.equal(second?.status, 200);
    else assert(conversation.ended && second === undefined);
    assert.deepEqual(seen, []);
  });

fresh("fail/what follows a request does not take the place of its answer", async () => {
  const { responses, ended } = await converse(listener.port, `${get("/memory")}!garbage\r\n\r\n`, {
    responses: Infinity,
  });
  assert.deepEqual(
    responses.map(({ status }) => status),
    [200],
  );
  assert(ended);
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["broken-request"],
  );
});

fresh("ok/arbitrary bytes, and requests with a few bytes changed, end in an answer or the end", async () => {
  const valid = post("Content-Type: a/b\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n") + get("/memory");
  const changes = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const changed = changes.map((list) => {
    const bytes = Buffer.from(valid, "latin1");
    for (const [at, value] of list) bytes[at] = value;
    return bytes.toString("latin1");
  });
  const anything = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
  await fc.assert(
    fc.asyncProperty(fc.oneof(changed, anything), async (text) => {
      const { responses, ended } = await converse(listener.port, text, { end: true, responses: Infinity });
      assert(ended);
      assert(responses.every(({ status }) => status === 200 || (status >= 400 && status !== 500)));
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.equal((await converse(listener.port, get("/memory"))).responses[0]?.status, 200);
});

fresh("fail/half a request before the end of the connection: 400", async () => {
  const { responses } = await converse(listener.port, post("Content-Length: 3\r\n", "a"), {
    end: true,
    responses: Infinity,
  });
  assert.deepEqual(
    responses.map(({ status }) => status),
    [400],
  );
  assert.deepEqual(seen, []);
});
