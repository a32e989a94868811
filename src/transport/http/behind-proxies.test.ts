import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import test from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { addressList } from "./address-list.ts";
import { fresh, get, host, listen, plain, reports } from "./listener.test-support.ts";
import type { HttpListener, HttpListenerOptions } from "./listener.ts";
import { listenHttp } from "./plain-listener.ts";
import { converse } from "./raw-peer.test-support.ts";

const whoami: HttpListenerOptions["routes"][number] = {
  method: "GET",
  path: "/whoami",
  bodyLimit: 0,
  handle: async (_, peer) => plain(peer.address),
};

/** Runs `use` with a listener that believes connections from 127.0.0.1. */
async function withListener(
  use: (listener: HttpListener) => Promise<void>,
  options: Partial<HttpListenerOptions> = {},
): Promise<void> {
  const listener = await listen({ routes: [whoami], proxies: addressList(["127.0.0.1"]), ...options });
  try {
    await use(listener);
  } finally {
    await listener.close();
  }
}

/** A connection from `localAddress` whose first bytes are `first`. */
async function open(port: number, first: string | Uint8Array, localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connectTcp({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => {});
  await once(socket, "connect");
  if (first.length > 0) socket.write(first);
  return socket;
}

async function over(tcp: Socket): Promise<TLSSocket> {
  const tls = connectTls({ socket: tcp, rejectUnauthorized: false });
  tls.on("error", () => {});
  await once(tls, "secureConnect");
  return tls;
}

async function asked(socket: Socket): Promise<string> {
  socket.write(get("/whoami"));
  const [answer] = (await once(socket, "data")) as [Buffer];
  return answer.toString("latin1").split("\r\n\r\n")[1] ?? "";
}

/** Resolves when the connection is gone, by a reset or otherwise. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once("close", () => resolve()));
}

const codes = () => reports.map(({ code }) => code);

for (const [name, header, address] of [
  ["version 1", "PROXY TCP4 192.0.2.7 127.0.0.1 41233 8443\r\n", "192.0.2.7:41233"],
  ["version 1 over IPv6", "PROXY TCP6 2001:db8::1 ::1 41233 8443\r\n", "[2001:db8::1]:41233"],
  ["version 2", Buffer.from("0d0a0d0a000d0a515549540a2111000cc00002077f000001a11120fb", "hex"), "192.0.2.7:41233"],
] as const) {
  fresh(`ok/a device behind a listed proxy has the address of the header, ${name}`, () =>
    withListener(async ({ port }) => {
      const socket = await over(await open(port, header));
      assert.equal(await asked(socket), address);
      assert.equal(await asked(socket), address);
      socket.destroy();
    }),
  );
}

fresh("ok/a header that comes byte by byte, and one that comes with the handshake", () =>
  withListener(async ({ port }) => {
    const header = "PROXY TCP4 192.0.2.7 127.0.0.1 41233 8443\r\n";
    const slow = await open(port, "");
    for (const byte of header) {
      slow.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const first = await over(slow);
    assert.equal(await asked(first), "192.0.2.7:41233");
    first.destroy();
    const corked = await open(port, "");
    corked.cork();
    corked.write(header);
    const handshake = over(corked);
    setImmediate(() => corked.uncork());
    const second = await handshake;
    assert.equal(await asked(second), "192.0.2.7:41233");
    second.destroy();
  }),
);

fresh("ok/the proxy's own connections, as in health checks, have its own address", () =>
  withListener(async ({ port }) => {
    const tcp = await open(port, "PROXY UNKNOWN\r\n");
    const socket = await over(tcp);
    assert.equal(await asked(socket), `127.0.0.1:${tcp.localPort}`);
    socket.destroy();
    const probe = await open(port, "");
    probe.end();
    await closed(probe);
    assert.deepEqual(codes(), []);
  }),
);

fresh("ok/who is not listed is served without a header", () =>
  withListener(async ({ port }) => {
    const tcp = await open(port, "", "127.0.0.2");
    const socket = await over(tcp);
    assert.equal(await asked(socket), `127.0.0.2:${tcp.localPort}`);
    socket.destroy();
  }),
);

fresh("ok/connections are counted by the device's address", () =>
  withListener(
    async ({ port }) => {
      const first = await over(await open(port, "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"));
      const other = await over(await open(port, "PROXY TCP4 192.0.2.8 127.0.0.1 1 2\r\n"));
      assert.deepEqual([await asked(first), await asked(other)], ["192.0.2.7:1", "192.0.2.8:1"]);
      const third = await open(port, "PROXY TCP4 192.0.2.7 127.0.0.1 3 2\r\n");
      await closed(third);
      assert.deepEqual(reports, [{ code: "too-many-connections-of-address", address: "192.0.2.7:3" }]);
      for (const socket of [first, other]) socket.destroy();
    },
    { limits: { connectionsPerAddress: 1 } },
  ),
);

fresh("fail/a header of somebody who is not listed", () =>
  withListener(async ({ port }) => {
    const socket = await open(port, "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n", "127.0.0.2");
    await closed(socket);
    assert.deepEqual(codes(), ["handshake-failed"]);
    assert.match(reports[0]?.address ?? "", /^127\.0\.0\.2:/);
  }),
);

for (const [name, first, code] of [
  ["a listed proxy without a header", get("/whoami"), "proxy-header-missing"],
  ["a listed proxy with a broken header", "PROXY TCP4 192.0.2.7\r\n", "proxy-header-malformed"],
  ["a header that ends in the middle", undefined, "proxy-header-malformed"],
] as const) {
  fresh(`fail/${name}`, () =>
    withListener(async ({ port }) => {
      const socket = await open(port, first ?? "PROXY TCP4");
      if (first === undefined) socket.end();
      await closed(socket);
      assert.deepEqual(codes(), [code]);
      assert.match(reports[0]?.address ?? "", /^127\.0\.0\.1:/);
    }),
  );
}

fresh("fail/a header that does not come in time", () =>
  withListener(
    async ({ port }) => {
      const socket = await open(port, "PROXY ");
      await closed(socket);
      assert.deepEqual(codes(), ["proxy-header-missing"]);
    },
    { limits: { handshakeTimeout: 50 } },
  ),
);

fresh("fail/a second header within TLS, where only HTTP may stand", () =>
  withListener(async ({ port }) => {
    const socket = await over(await open(port, "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"));
    socket.write("PROXY TCP4 192.0.2.9 127.0.0.1 1 2\r\n");
    const [answer] = (await once(socket, "data")) as [Buffer];
    assert.match(answer.toString("latin1"), /^HTTP\/1\.1 400 /);
    assert.deepEqual(
      reports.map(({ code, address }) => [code, address]),
      [["broken-request", "192.0.2.7:1"]],
    );
    socket.destroy();
  }),
);

fresh("ok/a listener that closes does not wait for a header", async () => {
  const listener = await listen({ routes: [whoami], proxies: addressList(["127.0.0.0/8"]) });
  const socket = await open(listener.port, "PROXY ");
  await Promise.all([closed(socket), listener.close()]);
});

fresh("fail/a header at a listener without TLS that believes nobody", async () => {
  const listener = await listenHttp({
    host: "127.0.0.1",
    port: 0,
    routes: [],
    onError: (report) => reports.push(report),
  });
  const text = `PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\n${host}\r\n`;
  const { responses } = await converse(listener.port, text, { plain: true });
  assert.equal(responses[0]?.status, 400);
  assert.deepEqual(codes(), ["broken-request"]);
  await listener.close();
});

test("ok/lists of addresses and blocks", () => {
  const list = addressList(["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"]);
  for (const listed of ["192.0.2.7", "10.255.0.1", "2001:db8::1"]) assert.equal(list.has(listed), true, listed);
  for (const other of ["192.0.2.8", "11.0.0.1", "2001:db9::1", "unknown", "::1"])
    assert.equal(list.has(other), false, other);
});

for (const entry of [
  "",
  "proxy.example",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/8/8",
  "::1/129",
  "10.0.0.0/-1",
  "10.0.0/8",
]) {
  test(`fail/${JSON.stringify(entry)} in a list of addresses`, () => {
    assert.throws(() => addressList([entry]), { name: "TransportError", code: "invalid-address" });
  });
}
