import assert from "node:assert/strict";
import test from "node:test";
import type { TLSSocket } from "node:tls";
import { textOf, utf8 } from "../../core/bytes.ts";
import type { Connection } from "../../core/link.ts";
import { dial, ok, request } from "./client.test-support.ts";
import type { DialOptions } from "./client.ts";
import { fieldValues, type HttpRequest, type HttpResponse } from "./message.ts";
import { type RawServer, rawServer } from "./raw-peer.test-support.ts";

/** Runs `body` on a connection to a server that gives each read to `answer`. */
async function withServer(
  answer: (socket: TLSSocket, text: string) => void,
  body: (connection: Connection<HttpRequest, HttpResponse>, server: RawServer) => Promise<void>,
  options: Partial<DialOptions> = {},
): Promise<void> {
  const server = await rawServer(answer);
  try {
    const connection = await dial(server.port, options);
    await body(connection, server);
    await connection.close();
  } finally {
    server.close();
  }
}

test("ok/a request leaves in one record with Host, Content-Length and its fields in order", async () => {
  const reads: string[] = [];
  await withServer(
    (socket, text) => {
      reads.push(text);
      socket.write(ok("answer"));
    },
    async (connection, { port }) => {
      const headers = [
        ["Content-Type", "application/pkcs10"],
        ["X-A", "1"],
        ["X-A", "2"],
      ] as const;
      const response = await connection.request({ method: "POST", path: "/est?x", headers, body: utf8("abc") });
      assert.deepEqual([response.status, textOf(response.body)], [200, "answer"]);
      assert.deepEqual(reads, [
        `POST /est?x HTTP/1.1\r\nHost: localhost:${port}\r\nContent-Type: application/pkcs10\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc`,
      ]);
    },
  );
});

test("ok/requests run one after another on one association", async () => {
  const sockets = new Set<TLSSocket>();
  let open = 0;
  await withServer(
    (socket, text) => {
      sockets.add(socket);
      open += 1;
      assert.equal(open, 1);
      setImmediate(() => {
        open -= 1;
        socket.write(ok(text.slice(4, 6)));
      });
    },
    async (connection) => {
      const answers = await Promise.all(["/a", "/b", "/c"].map((path) => connection.request({ ...request, path })));
      assert.deepEqual(
        answers.map(({ body }) => textOf(body)),
        ["/a", "/b", "/c"],
      );
      assert.equal(sockets.size, 1);
    },
  );
});

test("ok/an informational response is passed over, repeated fields and a chunked body are kept", async () => {
  const text =
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 401 No\r\nA: 1\r\na: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  await withServer(
    (socket) => socket.write(text),
    async (connection) => {
      const response = await connection.request(request);
      assert.equal(response.status, 401);
      assert.deepEqual(fieldValues(response.headers, "a"), ["1", "2"]);
      assert.equal(textOf(response.body), "abc");
    },
  );
});

test("ok/204, 304 and the answer to HEAD have no body and need no length", async () => {
  const answers = [
    "HTTP/1.1 204 No\r\n\r\n",
    "HTTP/1.1 304 No\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
  ];
  await withServer(
    (socket) => socket.write(answers.shift() ?? ""),
    async (connection) => {
      assert.equal((await connection.request(request)).status, 204);
      assert.equal((await connection.request(request)).status, 304);
      assert.deepEqual((await connection.request({ ...request, method: "HEAD" })).body.length, 0);
    },
  );
});

test("ok/a 202 and a refusal whose body ends with the connection", async () => {
  for (const status of [202, 403]) {
    await withServer(
      (socket) => socket.end(`HTTP/1.1 ${status} Said\r\nRetry-After: 60\r\n\r\ncome again`),
      async (connection) => {
        const response = await connection.request(request);
        assert.deepEqual([response.status, textOf(response.body)], [status, "come again"]);
        await assert.rejects(connection.request(request), { code: "association-closed" });
      },
    );
  }
});

test("fail/the association ends: no other one is opened", async () => {
  let connections = 0;
  const server = await rawServer((socket) => {
    connections += 1;
    socket.end(ok("last"));
  });
  const connection = await dial(server.port);
  assert.equal(textOf((await connection.request(request)).body), "last");
  await assert.rejects(connection.request(request), { code: "association-closed" });
  await assert.rejects(connection.request(request), { code: "association-closed" });
  assert.equal(connections, 1);
  await connection.close();
  server.close();
});

test("fail/a request after close", async () => {
  await withServer(
    (socket) => socket.write(ok("")),
    async (connection) => {
      await connection.close();
      await assert.rejects(connection.request(request), { code: "association-closed" });
    },
  );
});

test("fail/serve", async () => {
  await withServer(
    () => {},
    async (connection) => {
      assert.throws(() => connection.serve(async () => assert.fail()), { code: "one-direction" });
    },
  );
});

test("fail/a request that cannot be written", async () => {
  await withServer(
    () => {},
    async (connection) => {
      await assert.rejects(connection.request({ ...request, path: "/a b" }), { code: "invalid-request" });
    },
  );
});

test("fail/an aborted request ends the association", async () => {
  const abort = new AbortController();
  const reason = new Error("enough");
  await withServer(
    () => abort.abort(reason),
    async (connection) => {
      await assert.rejects(connection.request(request, abort.signal), reason);
      await assert.rejects(connection.request(request), { code: "association-closed" });
      await assert.rejects(connection.request(request, abort.signal), reason);
    },
  );
});

interface Misbehaviour {
  readonly code: string;
  readonly text: string;
  /** The server ends the connection after the text. */
  readonly end?: boolean;
}

const misbehaviours: Readonly<Record<string, Misbehaviour>> = {
  "nothing before the end": { code: "association-closed", text: "", end: true },
  "half a header": { code: "association-closed", text: "HTTP/1.1 200 OK\r\nA: ", end: true },
  "less body than declared": {
    code: "association-closed",
    text: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
    end: true,
  },
  "half a chunk": {
    code: "association-closed",
    text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
    end: true,
  },
  silence: { code: "timeout", text: "" },
  "silence in the header": { code: "timeout", text: "HTTP/1.1 200 OK\r\nA: " },
  "silence in the body": { code: "timeout", text: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc" },
  "a declared body over the limit": {
    code: "response-too-large",
    text: `HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n`,
  },
  "a chunked body over the limit": {
    code: "response-too-large",
    text: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${"a".repeat(1_001)}\r\n0\r\n\r\n`,
  },
  "a header over the limit": { code: "response-too-large", text: `HTTP/1.1 200 OK\r\nA: ${"a".repeat(9_000)}\r\n\r\n` },
  "another protocol": { code: "broken-response", text: "SSH-2.0-server\r\n" },
  "two lengths": {
    code: "broken-response",
    text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
  },
  "a length and chunks": {
    code: "broken-response",
    text: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
  },
  "a broken chunk": { code: "broken-response", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" },
  "a body that only the end of the connection ends": {
    code: "broken-response",
    text: "HTTP/1.1 200 OK\r\n\r\nabc",
    end: true,
  },
  "such a body of a 201": { code: "broken-response", text: "HTTP/1.1 201 Created\r\n\r\nabc", end: true },
};

for (const [name, { code, text, end = false }] of Object.entries(misbehaviours))
  test(`fail/${name}: ${code}`, async () => {
    await withServer(
      (socket) => {
        if (end) socket.end(text);
        else if (text !== "") socket.write(text);
      },
      async (connection) => {
        await assert.rejects(connection.request(request), { code });
        await assert.rejects(connection.request(request), { code: "association-closed" });
      },
      { timeouts: { header: 60, body: 60 }, limits: { bodyBytes: 1_000, headerBytes: 8_000 } },
    );
  });

test("fail/more body than declared: the answer stands, the association ends", async () => {
  await withServer(
    (socket) => socket.write(`${ok("abc")}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`),
    async (connection) => {
      assert.equal(textOf((await connection.request(request)).body), "abc");
      await assert.rejects(connection.request(request), { code: "association-closed" });
    },
  );
});
