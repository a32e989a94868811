import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import test from "node:test";
import type { TLSSocket, TlsOptions } from "node:tls";
import { hex, textOf, utf8 } from "../../core/bytes.ts";
import type { Connection } from "../../core/link.ts";
import { type DialOptions, dialHttps } from "./client.ts";
import { testCertificates } from "./fixtures.test-support.ts";
import { listenHttps } from "./listener.ts";
import { fieldValues, type HttpRequest, type HttpResponse } from "./message.ts";
import { type RawServer, rawServer } from "./raw-peer.test-support.ts";
import type { ServerTrust } from "./server-trust.ts";

const certificates = testCertificates();
const anchored: ServerTrust = { kind: "anchors", anchors: [certificates.root.certificate] };
const request: HttpRequest = { method: "GET", path: "/", headers: [], body: new Uint8Array(0) };
const ok = (body: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

function dial(port: number, options: Partial<DialOptions> = {}): Promise<Connection<HttpRequest, HttpResponse>> {
  return dialHttps({ url: `https://localhost:${port}`, trust: anchored, ...options });
}

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

async function failsToDial(code: string, options: Partial<DialOptions>, tls: TlsOptions = {}): Promise<string> {
  const server = await rawServer(() => {}, tls);
  try {
    let sentence = "";
    await assert.rejects(dial(server.port, options), (error: Error & { code?: string }) => {
      assert.equal(error.code, code);
      assert.match(error.message, /^[A-Z][^\n]*\.$/);
      sentence = error.message;
      return true;
    });
    return sentence;
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

test("ok/the client certificate with its chain reaches a listener, from PEM and from DER", async () => {
  const { device, deviceIssuer } = certificates;
  const ders = [device, deviceIssuer].map(({ certificate }) => new X509Certificate(certificate).raw);
  const chains: string[][] = [];
  const listener = await listenHttps({
    host: "127.0.0.1",
    port: 0,
    credential: certificates.server,
    routes: [
      {
        method: "GET",
        path: "/",
        bodyLimit: 0,
        handle: async (_request, peer) => {
          chains.push(peer.chain.map(hex));
          return { status: 204, headers: [], body: new Uint8Array(0) };
        },
      },
    ],
  });
  const credentials = [
    { chain: [device.certificate, deviceIssuer.certificate], key: device.key },
    { chain: ders, key: createPrivateKey(device.key) },
  ];
  for (const credential of credentials) {
    const connection = await dial(listener.port, { credential });
    await connection.request(request);
    await connection.close();
  }
  assert.deepEqual(chains, [ders.map(hex), ders.map(hex)]);
  await listener.close();
});

test("ok/an anchor in DER, and one that is not self-signed", async () => {
  const listener = await rawServer((socket) => socket.write(ok("")));
  const { root, server } = certificates;
  for (const anchor of [new X509Certificate(root.certificate).raw, server.certificate]) {
    const connection = await dial(listener.port, { trust: { kind: "anchors", anchors: [anchor] } });
    assert.equal((await connection.request(request)).status, 200);
    await connection.close();
  }
  listener.close();
});

test("ok/provisional trust takes any certificate and shows it", async () => {
  const { expired } = certificates;
  const server = await rawServer(() => {}, { cert: expired.chain, key: expired.key });
  const connection = await dial(server.port, { trust: { kind: "provisional" } });
  assert.deepEqual(connection.peer.chain.map(hex), [hex(new X509Certificate(expired.certificate).raw)]);
  await connection.close();
  server.close();
});

test("ok/another name is accepted when the caller accepts that certificate", async () => {
  const { otherName, root } = certificates;
  const server = await rawServer((socket) => socket.write(ok("")), { cert: otherName.chain, key: otherName.key });
  const asked: string[] = [];
  const acceptOtherName = (certificate: Uint8Array) => {
    asked.push(hex(certificate));
    return true;
  };
  const connection = await dial(server.port, {
    trust: { kind: "anchors", anchors: [root.certificate], acceptOtherName },
  });
  assert.deepEqual(asked, [hex(new X509Certificate(otherName.certificate).raw)]);
  await connection.close();
  const named = await dial(server.port, { serverName: "other.example" });
  await named.close();
  server.close();
});

test("fail/nobody listens", async () => {
  const probe = createTcpServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  await assert.rejects(dial(port, { url: `https://127.0.0.1:${port}` }), { code: "connect-failed" });
});

test("fail/a server that does not speak TLS, or leaves", async () => {
  for (const answer of ["HTTP/1.1 400 Bad Request\r\n\r\n", ""]) {
    const server = createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(answer));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    await assert.rejects(dial((server.address() as AddressInfo).port), { code: "handshake-failed" });
    server.close();
  }
});

test("fail/a server that is silent in the handshake", async () => {
  const server = createTcpServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await assert.rejects(dial(port, { timeouts: { handshake: 30 } }), { code: "timeout" });
  const reason = new Error("stop");
  await assert.rejects(dial(port, { signal: AbortSignal.abort(reason) }), reason);
  const abort = new AbortController();
  server.once("connection", () => abort.abort(reason));
  await assert.rejects(dial(port, { signal: abort.signal }), reason);
  server.close();
});

test("fail/a server that has only old versions", async () => {
  await failsToDial(
    "handshake-failed",
    {},
    { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" },
  );
});

test("fail/a root that is no anchor, and no anchors at all", async () => {
  const { deviceIssuer } = certificates;
  for (const anchors of [[deviceIssuer.certificate], []])
    assert.match(await failsToDial("server-not-trusted", { trust: { kind: "anchors", anchors } }), /install/);
});

test("fail/an expired certificate", async () => {
  const { expired } = certificates;
  const sentence = await failsToDial("server-not-trusted", {}, { cert: expired.chain, key: expired.key });
  assert.match(sentence, /expired/);
});

test("fail/another name", async () => {
  const { otherName } = certificates;
  const tls = { cert: otherName.chain, key: otherName.key };
  assert.match(await failsToDial("name-mismatch", {}, tls), /localhost/);
  const trust: ServerTrust = { ...anchored, acceptOtherName: () => false };
  await failsToDial("name-mismatch", { trust }, tls);
  await failsToDial("name-mismatch", { serverName: "third.example" });
});

test("fail/credentials that cannot be used", async () => {
  const { device, server } = certificates;
  await failsToDial("unusable-credential", { credential: { chain: [device.certificate], key: server.key } });
  await failsToDial("unusable-credential", { credential: { chain: ["nothing"], key: server.key } });
  await failsToDial("unusable-credential", { trust: { kind: "anchors", anchors: [utf8("nothing")] } });
});

test("fail/an address that is no https URL", async () => {
  for (const url of ["http://localhost", "localhost:443", ""])
    await assert.rejects(dialHttps({ url, trust: anchored }), { code: "invalid-request" });
});

test("fail/a server that refuses the client certificate after the handshake", async () => {
  const server = await rawServer(() => {}, {
    requestCert: true,
    rejectUnauthorized: true,
    ca: [certificates.root.certificate],
  });
  const connection = await dial(server.port);
  await assert.rejects(connection.request(request), { code: "handshake-failed" });
  server.close();
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
