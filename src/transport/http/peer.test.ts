import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { hex } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { dialHttps } from "./client.ts";
import { testCertificates } from "./fixtures.test-support.ts";
import { type HttpListener, listenHttps } from "./listener.ts";
import { addressOf, hostOf, peerOf } from "./peer.ts";
import { connected, converse } from "./raw-peer.test-support.ts";

const certificates = testCertificates();
const der = (pem: string) => hex(new X509Certificate(pem).raw);
const request = "GET /peer HTTP/1.1\r\nHost: localhost\r\n\r\n";

let listener: HttpListener;
let seen: Peer[] = [];

before(async () => {
  listener = await listenHttps({
    host: "127.0.0.1",
    port: 0,
    credential: certificates.server,
    routes: [
      {
        method: "GET",
        path: "/peer",
        bodyLimit: 0,
        handle: async (_request, peer) => {
          seen.push(peer);
          return { status: 204, headers: [], body: new Uint8Array(0) };
        },
      },
    ],
  });
});

after(() => listener.close());

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`ok/${version}: the chain of an unknown root as openssl sent it, intermediate included`, async () => {
    seen = [];
    const directory = mkdtempSync(join(tmpdir(), "hatchery-peer-"));
    const file = (name: string, text: string) => {
      writeFileSync(join(directory, name), text);
      return join(directory, name);
    };
    try {
      const { device, deviceIssuer } = certificates;
      const output = await openssl(
        [
          ...[
            "s_client",
            "-connect",
            `127.0.0.1:${listener.port}`,
            "-quiet",
            version === "TLSv1.2" ? "-tls1_2" : "-tls1_3",
          ],
          ...["-cert", file("device.pem", device.certificate), "-key", file("device.key", device.key)],
          ...["-cert_chain", file("issuer.pem", deviceIssuer.certificate)],
        ],
        request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"),
      );
      assert.match(output, /^HTTP\/1\.1 204/);
      assert.deepEqual(seen[0]?.chain.map(hex), [der(device.certificate), der(deviceIssuer.certificate)]);
      assert.equal(seen[0]?.security?.version, version);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test(`ok/${version}: an unrelated certificate in the chain stays where the peer put it`, async () => {
    seen = [];
    const { device, deviceIssuer, root } = certificates;
    const cert = device.certificate + root.certificate + deviceIssuer.certificate;
    await converse(listener.port, request, {
      tls: { cert, key: device.key, minVersion: version, maxVersion: version },
    });
    assert.deepEqual(
      seen[0]?.chain.map(hex),
      [device, root, deviceIssuer].map(({ certificate }) => der(certificate)),
    );
  });

  test(`ok/${version}: no certificate is an empty chain`, async () => {
    seen = [];
    await converse(listener.port, request, { tls: { minVersion: version, maxVersion: version } });
    assert.deepEqual(seen[0]?.chain, []);
    assert.match(seen[0]?.address ?? "", /^127\.0\.0\.1:\d+$/);
  });

  test(`ok/${version}: tls-exporter and exporter are equal at both ends`, async () => {
    seen = [];
    const socket = await connected(listener.port, { minVersion: version, maxVersion: version });
    socket.write(request);
    await new Promise((resolve) => socket.once("data", resolve));
    const [peer] = seen;
    assert(peer);
    const ours = socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
    assert.equal(hex(peer.binding("tls-exporter")), ours.toString("hex"));
    const other = socket.exportKeyingMaterial(16, "EXPORTER-other", Buffer.alloc(0));
    assert.equal(hex(peer.exporter("EXPORTER-other", 16)), other.toString("hex"));
    socket.destroy();
  });
}

test("ok/tls-unique on TLS 1.2 is the client's Finished at both ends", async () => {
  seen = [];
  const socket = await connected(listener.port, { maxVersion: "TLSv1.2" });
  socket.write(request);
  await new Promise((resolve) => socket.once("data", resolve));
  const binding = seen[0]?.binding("tls-unique");
  assert.equal(binding?.length, 12);
  assert.equal(hex(binding), socket.getFinished()?.toString("hex"));
  assert.notEqual(hex(binding), socket.getPeerFinished()?.toString("hex"));
  socket.destroy();
});

test("ok/the client's peer has the server's chain and the same binding", async () => {
  seen = [];
  const connection = await dialHttps({
    url: `https://localhost:${listener.port}`,
    trust: { kind: "anchors", anchors: [certificates.root.certificate] },
  });
  await connection.request({ method: "GET", path: "/peer", headers: [], body: new Uint8Array(0) });
  assert.deepEqual(connection.peer.chain.map(hex), [der(certificates.server.certificate)]);
  assert.equal(connection.peer.security?.cipherSuite, seen[0]?.security?.cipherSuite);
  const [peer] = seen;
  assert(peer);
  assert.equal(hex(connection.peer.binding("tls-exporter")), hex(peer.binding("tls-exporter")));
  await connection.close();
});

test("ok/tls-unique of a resumed session is the server's Finished at both ends (RFC 5929 3.1)", async () => {
  // Our listener resumes none, so this is one that does.
  const server = createServer({ cert: certificates.server.chain, key: certificates.server.key, maxVersion: "TLSv1.2" });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const associate = async (session?: Buffer) => {
    const accepted = once(server, "secureConnection");
    const socket = connect({
      port,
      host: "127.0.0.1",
      ca: certificates.root.certificate,
      ...(session && { session }),
      checkServerIdentity: () => undefined,
    });
    const [[own]] = (await Promise.all([accepted, once(socket, "secureConnect")])) as [[TLSSocket], unknown];
    const ends = { server: peerOf(own, "server"), client: peerOf(socket, "client") };
    const seen = {
      resumed: [ends.server.security?.resumed, ends.client.security?.resumed],
      bindings: [ends.server, ends.client].map((end) => hex(end.binding("tls-unique"))),
      finished: { client: socket.getFinished()?.toString("hex"), server: socket.getPeerFinished()?.toString("hex") },
      session: socket.getSession(),
    };
    socket.destroy();
    own.destroy();
    return seen;
  };
  const first = await associate();
  assert.deepEqual(first.resumed, [false, false]);
  assert.deepEqual(first.bindings, [first.finished.client, first.finished.client]);
  const again = await associate(first.session);
  assert.deepEqual(again.resumed, [true, true]);
  assert.deepEqual(again.bindings, [again.finished.server, again.finished.server]);
  assert.notEqual(again.finished.server, again.finished.client);
  server.close();
});

test("fail/tls-unique on TLS 1.3", async () => {
  seen = [];
  await converse(listener.port, request, { tls: { minVersion: "TLSv1.3" } });
  assert.throws(() => seen[0]?.binding("tls-unique"), { code: "no-binding" });
});

for (const type of ["tls-unique", "tls-exporter"] as const)
  test(`fail/${type} after the association`, async () => {
    const connection = await dialHttps({ url: `https://localhost:${listener.port}`, trust: { kind: "provisional" } });
    await connection.close();
    assert.throws(() => connection.peer.binding(type), { code: "no-binding" });
  });

test("ok/addresses are written as people know them", () => {
  assert.equal(addressOf({ remoteAddress: "192.0.2.7", remotePort: 41234 }), "192.0.2.7:41234");
  assert.equal(addressOf({ remoteAddress: "2001:db8::1", remotePort: 1 }), "[2001:db8::1]:1");
  assert.equal(addressOf({ remoteAddress: "::ffff:192.0.2.7", remotePort: 1 }), "192.0.2.7:1");
  assert.equal(hostOf({ remoteAddress: "::ffff:c000:207" }), "::ffff:c000:207");
  assert.equal(hostOf({}), "unknown");
  assert.equal(addressOf({}), "unknown");
});

function openssl(parameters: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("openssl", parameters, { stdio: ["pipe", "pipe", "ignore"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString("latin1");
    });
    child.on("error", reject);
    child.on("close", () => resolve(output));
    child.stdin.end(input);
  });
}
