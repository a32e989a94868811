import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import test from "node:test";
import type { TlsOptions } from "node:tls";
import { hex, utf8 } from "../../core/bytes.ts";
import { anchored, certificates, dial, ok, request } from "./client.test-support.ts";
import { type DialOptions, dialHttps } from "./client.ts";
import { listenHttps } from "./listener.ts";
import { rawServer } from "./raw-peer.test-support.ts";
import type { ServerTrust } from "./server-trust.ts";

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
    await assert.rejects(dial((server.address() as AddressInfo).port), {
      code: "handshake-failed",
      message: answer === "" ? /failed: / : /failed: this port does not speak TLS; name another one\.$/,
    });
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
  const { otherName, commonName } = certificates;
  const tls = { cert: otherName.chain, key: otherName.key };
  assert.match(await failsToDial("name-mismatch", {}, tls), /localhost/);
  // RFC 9525 2: the right name, but where nobody looks for it any more.
  await failsToDial("name-mismatch", {}, { cert: commonName.chain, key: commonName.key });
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
