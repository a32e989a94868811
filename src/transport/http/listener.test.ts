import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import test, { after, before } from "node:test";
import type { TLSSocket } from "node:tls";
import fc from "fast-check";
import { textOf, utf8 } from "../../core/bytes.ts";
import { codeOf, messageOf } from "../../core/errors.ts";
import { testCertificates } from "./fixtures.test-support.ts";
import { type HttpListener, type HttpListenerOptions, type HttpRoute, listenHttps } from "./listener.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import { connected, converse } from "./raw-peer.test-support.ts";
import type { RefusalReport } from "./refusals.ts";
import type { ReplyEvent } from "./reply.ts";

const certificates = testCertificates();
const host = "Host: localhost\r\n";
const get = (path: string, fields = "") => `GET ${path} HTTP/1.1\r\n${host}${fields}\r\n`;
const post = (fields: string, body: string, path = "/echo") => `POST ${path} HTTP/1.1\r\n${host}${fields}\r\n${body}`;
const plain = (text: string): HttpResponse => ({
  status: 200,
  headers: [["Content-Type", "text/plain"]],
  body: utf8(text),
});

let seen: HttpRequest[] = [];
let reports: RefusalReport[] = [];
let listener: HttpListener;

const echo: HttpRoute = {
  method: "POST",
  path: "/echo",
  bodyLimit: 1_000,
  handle: async (request) => {
    seen.push(request);
    return { status: 200, headers: [], body: request.body };
  },
};

function listen(options: Partial<HttpListenerOptions> = {}): Promise<HttpListener> {
  return listenHttps({
    host: "127.0.0.1",
    port: 0,
    credential: certificates.server,
    routes: [echo],
    onError: (report) => reports.push(report),
    ...options,
  });
}

/** Runs `body` with an empty memory of the shared listener. */
function fresh(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    seen = [];
    reports = [];
    await body();
  });
}

before(async () => {
  listener = await listen({
    routes: [
      echo,
      { ...echo, method: "PUT", bodyLimit: 0 },
      {
        ...echo,
        path: "/est/:label/simpleenroll",
        handle: async (request, _peer, _association, parameters) => plain(`${request.path} ${parameters["label"]}`),
      },
      {
        method: "GET",
        path: "/memory",
        bodyLimit: 0,
        handle: async (_request, _peer, { id, memory }) => {
          const count = Number(memory.get("count") ?? 0) + 1;
          memory.set("count", count);
          return plain(`${id} ${count}`);
        },
      },
      {
        method: "GET",
        path: "/fails",
        bodyLimit: 0,
        handle: async () => {
          throw new Error("the secret reason");
        },
      },
      {
        method: "GET",
        path: "/broken-field",
        bodyLimit: 0,
        handle: async () => ({ status: 200, headers: [["X-A", "a\r\nX-B: b"]], body: utf8("") }),
      },
      {
        method: "GET",
        path: "/est-answer",
        bodyLimit: 0,
        handle: async () => ({
          status: 200,
          headers: [
            ["Content-Type", "application/pkcs7-mime; smime-type=certs-only"],
            ["Content-Transfer-Encoding", "base64"],
            ["WWW-Authenticate", 'Basic realm="est"'],
            ["WWW-Authenticate", 'Digest realm="est"'],
          ],
          body: new Uint8Array(2_000).fill(0x41),
        }),
      },
    ],
  });
});

after(() => listener.close());

fresh("ok/a small reply leaves in one record with its header in the first 1,024 bytes", async () => {
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const tls = { minVersion: version, maxVersion: version };
    const { reads, responses } = await converse(listener.port, get("/est-answer"), { tls });
    assert.equal(reads.length, 1);
    assert.equal(responses[0]?.body.length, 2_000);
    const head = responses[0]?.head ?? "";
    assert(head.length < 512, head);
    assert.match(head, /Content-Length: 2000\r\n/);
    assert.equal(head.match(/WWW-Authenticate/g)?.length, 2);
  }
});

fresh("ok/a body of any Content-Type arrives as it was, with its fields in order", async () => {
  const fields = "Content-Type: not;;a/type\r\nx-One: 1\r\nX-one: 2\r\nContent-Length: 3\r\n";
  const { responses } = await converse(listener.port, post(fields, "\0\u00ff\n"));
  assert.deepEqual(
    responses.map(({ status, body }) => [status, body]),
    [[200, "\0\u00ff\n"]],
  );
  assert.deepEqual(seen[0]?.headers.slice(1, 4), [
    ["Content-Type", "not;;a/type"],
    ["x-One", "1"],
    ["X-one", "2"],
  ]);
});

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

fresh("ok/parameters are decoded, the path is not, and an absolute target is taken as its path", async () => {
  const first = await converse(listener.port, post("Content-Length: 0\r\n", "", "/est/a%20b/simpleenroll?x=1"));
  assert.equal(first.responses[0]?.body, "/est/a%20b/simpleenroll?x=1 a b");
  const second = await converse(
    listener.port,
    post("Content-Length: 0\r\n", "", "https://localhost/est/c/simpleenroll"),
  );
  assert.equal(second.responses[0]?.body, "/est/c/simpleenroll c");
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const tls = { minVersion: version, maxVersion: version };

  fresh(`ok/${version}: a request on a half-closed connection is answered`, async () => {
    const { responses, ended } = await converse(listener.port, post("Content-Length: 3\r\n", "abc"), {
      end: true,
      tls,
      responses: Infinity,
    });
    assert.deepEqual(
      responses.map(({ body }) => body),
      ["abc"],
    );
    assert(ended);
  });

  fresh(`ok/${version}: no session is resumed`, async () => {
    const first = await connected(listener.port, tls);
    let session: Buffer | undefined = first.getSession();
    first.on("session", (ticket: Buffer) => {
      session = ticket;
    });
    first.write(get("/memory"));
    await once(first, "data");
    first.destroy();
    assert(session !== undefined);
    const second = await connected(listener.port, { ...tls, session });
    assert.equal(second.isSessionReused(), false);
    second.destroy();
  });
}

fresh("fail/older versions of TLS", async () => {
  await assert.rejects(
    connected(listener.port, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" }),
    { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" },
  );
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["handshake-failed"],
  );
});

fresh("fail/renegotiation", async () => {
  const socket = await connected(listener.port, { maxVersion: "TLSv1.2" });
  const error = await new Promise((resolve) => {
    socket.renegotiate({}, resolve);
    socket.on("error", resolve);
  });
  assert.match(codeOf(error), /NO_RENEGOTIATION/);
  socket.destroy();
});

fresh("ok/an association lives as long as its connection and its signal tells the end", async () => {
  const { responses } = await converse(listener.port, get("/memory").repeat(3), { responses: 3 });
  const [ids, counts] = [0, 1].map((part) => responses.map(({ body }) => body.split(" ")[part]));
  assert.equal(new Set(ids).size, 1);
  assert.deepEqual(counts, ["1", "2", "3"]);
  const other = await converse(listener.port, get("/memory"));
  assert.match(other.responses[0]?.body ?? "", / 1$/);
  assert.notEqual(other.responses[0]?.body.split(" ")[0], ids?.[0]);
});

fresh("ok/pipelined requests are handled one after another, and the signal tells the end", async () => {
  let running = 0;
  let most = 0;
  let signal: AbortSignal | undefined;
  const slow = await listen({
    routes: [
      {
        ...echo,
        handle: async (request, _peer, association) => {
          signal = association.signal;
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return { status: 200, headers: [], body: request.body };
        },
      },
    ],
  });
  const text = ["a", "b", "c", "d"].map((letter) => post("Content-Length: 1\r\n", letter)).join("");
  const { responses } = await converse(slow.port, text, { responses: 4 });
  assert.equal(responses.map(({ body }) => body).join(""), "abcd");
  assert.equal(most, 1);
  assert(signal);
  if (!signal.aborted) await once(signal, "abort");
  await slow.close();
});

fresh("ok/the certificate is replaced while running, and an unusable one changes nothing", async () => {
  const own = await listen();
  const fingerprint = async () => {
    const socket = await connected(own.port);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const old = await fingerprint();
  const { replacement, server } = certificates;
  assert.throws(() => own.replaceCredential({ chain: replacement.chain, key: server.key }), {
    code: "unusable-credential",
  });
  assert.equal(await fingerprint(), old);
  own.replaceCredential(replacement);
  assert.notEqual(await fingerprint(), old);
  await own.close();
});

fresh("ok/diagnostics channels tell of each reply before and after it is written", async () => {
  const events: [string, ReplyEvent][] = [];
  const note = (event: unknown, name: string | symbol) => events.push([String(name), event as ReplyEvent]);
  subscribe("hatchery:reply:before", note);
  subscribe("hatchery:reply:after", note);
  try {
    await converse(listener.port, post("Content-Length: 1\r\n", "a"));
  } finally {
    unsubscribe("hatchery:reply:before", note);
    unsubscribe("hatchery:reply:after", note);
  }
  assert.deepEqual(
    events.map(([name]) => name),
    ["hatchery:reply:before", "hatchery:reply:after"],
  );
  const [, { method, path, status }] = events[0] ?? assert.fail();
  assert.deepEqual([method, path, status], ["POST", "/echo", 200]);
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

fresh("fail/a handler's error reaches the report, not the peer", async () => {
  await converse(listener.port, get("/fails"));
  assert.equal(messageOf(reports[0]?.cause), "the secret reason");
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

fresh("fail/too many pipelined requests: the first is answered, the others are not carried out", async () => {
  const text = post("Content-Length: 1\r\n", "a").repeat(20);
  const { responses, ended } = await converse(listener.port, text, { responses: Infinity });
  assert(ended);
  assert.equal(seen.length, responses.filter(({ status }) => status === 200).length);
  assert(seen.length < 20);
  assert(reports.some(({ code }) => code === "too-many-requests"));
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

fresh("fail/a connection that is reset before its answer or in its body harms nobody", async () => {
  const entered = Promise.withResolvers<void>();
  const reported = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const own = await listen({
    routes: [
      {
        ...echo,
        handle: async (request, _peer, { signal }) => {
          entered.resolve();
          if (!signal.aborted) await once(signal, "abort");
          return { status: 200, headers: [], body: request.body };
        },
      },
    ],
    onError: (report) => {
      reports.push(report);
      reported[reports.length - 1]?.resolve();
    },
  });
  const first = connectTcp(own.port, "127.0.0.1");
  (await connected(own.port, { socket: first, maxVersion: "TLSv1.2" })).write(post("Content-Length: 1\r\n", "a"));
  await entered.promise;
  first.resetAndDestroy();
  await reported[0].promise;
  const second = connectTcp(own.port, "127.0.0.1");
  const socket = await connected(own.port, { socket: second, maxVersion: "TLSv1.2" });
  socket.write(post("Expect: 100-continue\r\nContent-Length: 2\r\n", ""));
  await once(socket, "data");
  second.resetAndDestroy();
  await reported[1].promise;
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["request-aborted", "request-aborted"],
  );
  await own.close();
});

const impatient = { headersTimeout: 100, requestTimeout: 150 };

for (const [name, text] of Object.entries({
  "nothing at all": "",
  "half a header": "GET / HT",
  "half a body": post("Content-Length: 2\r\n", "a"),
}))
  fresh(`fail/${name} in time: 408 and the end`, async () => {
    const own = await listen({ limits: impatient });
    const { responses, ended } = await converse(own.port, text, { responses: Infinity });
    assert.deepEqual(
      responses.map(({ status }) => status),
      [408],
    );
    assert(ended);
    assert.deepEqual(
      reports.map(({ code }) => code),
      ["request-timeout"],
    );
    await own.close();
  });

fresh("fail/no handshake in time", async () => {
  const own = await listen({ limits: { handshakeTimeout: 50 } });
  const socket = connectTcp(own.port, "127.0.0.1");
  await once(socket, "close");
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["handshake-failed"],
  );
  await own.close();
});

fresh("fail/one address over its cap: dropped, and welcome again later", async () => {
  const own = await listen({ limits: { connectionsPerAddress: 2 } });
  const first = await connected(own.port);
  const second = await connected(own.port);
  await assert.rejects(connected(own.port), { code: "ECONNRESET" });
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["too-many-connections-of-address"],
  );
  first.destroy();
  await untilServed(own.port);
  second.destroy();
  await own.close();
});

fresh("fail/over the cap: 503, and far over it: dropped", async () => {
  const own = await listen({ limits: { connections: 1 } });
  const first = await connected(own.port);
  const { responses, ended } = await converse(own.port, post("Content-Length: 1\r\n", "a"), { responses: Infinity });
  assert.deepEqual(
    responses.map(({ status }) => status),
    [503],
  );
  assert(ended);
  const second = await connected(own.port);
  await assert.rejects(connected(own.port));
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["too-many-connections", "too-many-connections"],
  );
  first.destroy();
  second.destroy();
  await untilServed(own.port);
  await own.close();
});

fresh("ok/the last request of a connection says so", async () => {
  const own = await listen({ limits: { requestsPerConnection: 2 } });
  const { responses, ended } = await converse(own.port, post("Content-Length: 1\r\n", "a").repeat(3), {
    responses: Infinity,
  });
  assert.deepEqual(
    responses.map(({ head }) => /^Connection: close\r$/m.test(head)),
    [false, true],
  );
  assert(ended);
  assert.equal(seen.length, 2);
  await own.close();
});

fresh("ok/1,000 idle connections leave an honest request under 2 seconds", async () => {
  const own = await listen();
  const idle: TLSSocket[] = [];
  for (let batch = 0; batch < 10; batch += 1)
    idle.push(...(await Promise.all(Array.from({ length: 100 }, () => connected(own.port)))));
  const start = performance.now();
  const { responses } = await converse(own.port, post("Content-Length: 1\r\n", "a"));
  const took = performance.now() - start;
  assert.equal(responses[0]?.status, 200);
  assert(took < 2_000, `${took} ms`);
  assert(idle.every((socket) => !socket.destroyed));
  await own.close();
  for (const socket of idle) socket.destroy();
});

fresh("ok/close finishes what runs, ends idle connections at once, and takes no more", async () => {
  const release = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const own = await listen({
    routes: [
      {
        ...echo,
        handle: async () => {
          entered.resolve();
          await release.promise;
          return plain("done");
        },
      },
    ],
  });
  const idle = await connected(own.port);
  const silent = connectTcp(own.port, "127.0.0.1");
  await once(silent, "connect");
  const busy = converse(own.port, post("Content-Length: 1\r\n", "a"), { responses: Infinity });
  await entered.promise;
  const closing = own.close();
  idle.resume();
  silent.resume();
  await Promise.all([once(idle, "close"), once(silent, "close")]);
  await assert.rejects(connected(own.port), { code: "ECONNREFUSED" });
  release.resolve();
  const { responses } = await busy;
  assert.match(responses[0]?.head ?? "", /^Connection: close\r$/m);
  assert.equal(responses[0]?.body, "done");
  await closing;
});

fresh("ok/close does not wait for ever", async () => {
  const entered = Promise.withResolvers<void>();
  const own = await listen({
    routes: [
      {
        ...echo,
        handle: (_request, _peer, { signal }) => {
          entered.resolve();
          return new Promise((_resolve, reject) => signal.addEventListener("abort", reject));
        },
      },
    ],
  });
  const busy = converse(own.port, post("Content-Length: 1\r\n", "a"), { responses: Infinity });
  await entered.promise;
  await own.close(50);
  assert.deepEqual((await busy).responses, []);
});

fresh("fail/a taken port", async () => {
  await assert.rejects(listen({ port: listener.port }), { code: "address-in-use" });
});

fresh("fail/an address that is not ours", async () => {
  await assert.rejects(listen({ host: "192.0.2.1" }), { code: "listen-failed" });
});

fresh("fail/a key that does not belong to the certificate", async () => {
  const credential = { chain: certificates.server.chain, key: certificates.device.key };
  await assert.rejects(listen({ credential }), { code: "unusable-credential" });
});

// The server learns of a closed connection a moment after the client closed it.
async function untilServed(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { responses } = await converse(port, post("Content-Length: 1\r\n", "a"));
    if (responses[0]?.status === 200) return;
  }
  assert.fail("the connection was not counted off");
}
