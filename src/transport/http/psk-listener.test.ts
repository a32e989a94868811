import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type ConnectionOptions, connect, createServer, type TLSSocket } from "node:tls";
import { textOf } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { dialHttps } from "./client.ts";
import { certificates, fresh, plain, reports } from "./listener.test-support.ts";
import { peerOf } from "./peer.ts";
import { pskOptions } from "./psk.ts";
import { listenPsk } from "./psk-listener.ts";
import type { Serving } from "./serve.ts";

const known = new Map([
  ["lamp-1", Buffer.alloc(32, 1)],
  ["lamp-2", Buffer.alloc(32, 2)],
]);
const keys = {
  keyOf: (identity: string) => known.get(identity) ?? createHmac("sha256", "decoy").update(identity).digest(),
};
const lamp = { identity: "lamp-1", key: Buffer.alloc(32, 1) };
const peers: Peer[] = [];

async function withListener(use: (listener: Serving) => Promise<void>): Promise<void> {
  peers.length = 0;
  const listener = await listenPsk({
    host: "127.0.0.1",
    port: 0,
    keys,
    routes: [
      {
        method: "GET",
        path: "/whoami",
        bodyLimit: 0,
        async handle(_, peer) {
          peers.push(peer);
          return plain(textOf(peer.pskIdentity ?? new Uint8Array(0)));
        },
      },
    ],
    onError: (report) => reports.push(report),
  });
  try {
    await use(listener);
  } finally {
    await listener.close();
  }
}

const whoami = { method: "GET", path: "/whoami", headers: [], body: new Uint8Array(0) };

/** The handshake's end as the client sees it: the socket, or the error's code. */
async function shaken(port: number, options: ConnectionOptions): Promise<TLSSocket | string> {
  const socket = connect({ host: "127.0.0.1", port, ...options });
  const failed = once(socket, "error").then(([error]) => (error as NodeJS.ErrnoException).code ?? "");
  return Promise.race([once(socket, "secureConnect").then(() => socket), failed]);
}

fresh("ok/a client that holds the key, and both ends bound to one association", () =>
  withListener(async ({ port }) => {
    const connection = await dialHttps({ url: `https://127.0.0.1:${port}`, trust: { kind: "psk", ...lamp } });
    const { status, body } = await connection.request(whoami);
    assert.deepEqual([status, textOf(body)], [200, "lamp-1"]);
    const [peer] = peers;
    assert.equal(peer?.security?.version, "TLSv1.3");
    assert.equal(peer?.security?.resumed, false);
    assert.deepEqual(peer?.chain, []);
    assert.deepEqual(peer?.binding("tls-exporter"), connection.peer.binding("tls-exporter"));
    await connection.close();
  }),
);

fresh("ok/TLS 1.2, and tls-unique with it", () =>
  withListener(async ({ port }) => {
    const socket = await shaken(port, { ...pskOptions(lamp), maxVersion: "TLSv1.2" });
    assert.ok(typeof socket !== "string", String(socket));
    socket.write("GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    const [peer] = peers;
    assert.equal(peer?.security?.version, "TLSv1.2");
    assert.equal(peer?.security?.cipherSuite, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256");
    assert.deepEqual(peer?.binding("tls-unique"), peerOf(socket, "client").binding("tls-unique"));
    socket.destroy();
  }),
);

fresh("ok/a client that has to begin anew with another group is who it says last", () =>
  withListener(async ({ port }) => {
    // The first key share is of a group that the server does not have.
    let asked = 0;
    const options = {
      ...pskOptions(lamp),
      ecdhCurve: "P-521:P-256",
      pskCallback: () => {
        asked += 1;
        const identity = asked === 1 ? "lamp-1" : "lamp-2";
        return { identity, psk: known.get(identity) as Buffer };
      },
    };
    const socket = await shaken(port, options);
    assert.ok(typeof socket !== "string", String(socket));
    socket.write("GET /whoami HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "data");
    assert.equal(asked, 2, "it began anew");
    assert.equal(textOf(peers[0]?.pskIdentity ?? new Uint8Array(0)), "lamp-2");
    socket.destroy();
  }),
);

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  fresh(`fail/a wrong key and an unknown identity fail alike, ${version}`, () =>
    withListener(async ({ port }) => {
      const range = { minVersion: version, maxVersion: version };
      const wrong = await shaken(port, { ...pskOptions({ ...lamp, key: Buffer.alloc(32, 9) }), ...range });
      const unknown = await shaken(port, { ...pskOptions({ ...lamp, identity: "nobody" }), ...range });
      assert.equal(typeof wrong, "string");
      assert.equal(unknown, wrong);
      assert.deepEqual(
        reports.map(({ code }) => code),
        ["handshake-failed", "handshake-failed"],
      );
      assert.deepEqual(peers, []);
    }),
  );
}

fresh("fail/a client with a certificate, or with nothing", () =>
  withListener(async ({ port }) => {
    const certificate = { cert: certificates.server.chain, key: certificates.server.key, rejectUnauthorized: false };
    assert.equal(typeof (await shaken(port, certificate)), "string");
    assert.equal(typeof (await shaken(port, { rejectUnauthorized: false })), "string");
    assert.deepEqual(peers, []);
  }),
);

fresh("fail/a suite that the key is not for, which would leave the client without it", () =>
  withListener(async ({ port }) => {
    const options = { ...pskOptions(lamp), ciphers: "TLS_AES_256_GCM_SHA384", minVersion: "TLSv1.3" } as const;
    assert.equal(typeof (await shaken(port, options)), "string");
  }),
);

fresh("fail/a server that shows a certificate in place of the key, trusted or not", async () => {
  const server = createServer({ cert: certificates.server.chain, key: certificates.server.key }, (socket) => {
    socket.on("error", () => {});
  });
  server.on("tlsClientError", () => {});
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  await assert.rejects(dialHttps({ url: `https://127.0.0.1:${port}`, trust: { kind: "psk", ...lamp } }), {
    code: "server-not-trusted",
  });
  server.close();
});
