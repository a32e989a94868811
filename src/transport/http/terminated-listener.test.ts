import assert from "node:assert/strict";
import test from "node:test";
import { base64, utf8 } from "../../core/bytes.ts";
import type { Peer } from "../../core/link.ts";
import { addressList } from "./address-list.ts";
import { fresh, get, listen, plain, reports } from "./listener.test-support.ts";
import type { HttpRoute } from "./listener.ts";
import { converse, type RawConversation } from "./raw-peer.test-support.ts";
import { listenTerminated } from "./terminated-listener.ts";

const peers: Peer[] = [];
const whoami: HttpRoute = {
  method: "GET",
  path: "/whoami",
  bodyLimit: 0,
  async handle(_, peer, { id, memory }) {
    peers.push(peer);
    memory.set("count", Number(memory.get("count") ?? 0) + 1);
    return plain(`${peer.address} ${peer.chain.length} ${memory.get("count")} ${id}`);
  },
};

async function answers(text: string, responses = 1, listed = "127.0.0.1"): Promise<RawConversation> {
  peers.length = 0;
  const listener = await listenTerminated({
    host: "127.0.0.1",
    port: 0,
    routes: [whoami],
    terminators: addressList([listed]),
    onError: (report) => reports.push(report),
  });
  try {
    return await converse(listener.port, text, { plain: true, responses });
  } finally {
    await listener.close();
  }
}

const certificate = `Client-Cert: :${base64(utf8("DER"))}:\r\n`;

fresh("ok/the peer is whom the proxy names, request by request", async () => {
  const first = get("/whoami", `${certificate}Forwarded: for="[2001:db8::7]:41233"\r\n`);
  const { responses } = await answers(first + get("/whoami", "Forwarded: for=192.0.2.8\r\n"), 2);
  const seen = responses.map(({ body }) => body.split(" "));
  assert.deepEqual(
    seen.map((words) => words.slice(0, 3)),
    [
      ["[2001:db8::7]:41233", "1", "1"],
      ["192.0.2.8:0", "0", "1"],
    ],
  );
  assert.notEqual(seen[0]?.[3], seen[1]?.[3], "two devices share no association");
  const [peer] = peers;
  assert.deepEqual(peer?.chain, [Buffer.from("DER")]);
  assert.match(peer?.terminator ?? "", /^127\.0\.0\.1:\d+$/);
  assert.equal(peer?.security, undefined);
});

fresh("fail/binding and exporter of such a peer", async () => {
  await answers(get("/whoami", certificate));
  const [peer] = peers;
  assert.equal(peer?.address, peer?.terminator, "without Forwarded it is the proxy's address");
  assert.throws(() => peer?.binding("tls-exporter"), { code: "no-binding" });
  assert.throws(() => peer?.exporter("EXPORTER-x", 32), { code: "no-binding" });
});

fresh("fail/somebody who is not listed gets no answer", async () => {
  const { responses } = await answers(get("/whoami", certificate), 1, "192.0.2.1");
  assert.deepEqual(responses, []);
  assert.deepEqual(peers, []);
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["proxy-not-listed"],
  );
});

for (const [name, fields, code] of [
  ["a certificate that is not RFC 9440's", "Client-Cert: x\r\n", "client-cert-malformed"],
  ["a certificate twice", certificate + certificate, "client-cert-malformed"],
  ["Forwarded that is not RFC 7239's", "Forwarded: 192.0.2.7\r\n", "forwarded-malformed"],
] as const) {
  fresh(`fail/${name}`, async () => {
    const { responses } = await answers(get("/whoami", fields));
    assert.equal(responses[0]?.status, 400);
    assert.deepEqual(
      reports.map((report) => report.code),
      [code],
    );
    assert.deepEqual(peers, []);
  });
}

test("fail/a device that says itself what only a proxy may", async () => {
  reports.length = 0;
  const listener = await listen({ routes: [whoami] });
  const { responses } = await converse(listener.port, get("/whoami", certificate));
  await listener.close();
  assert.equal(responses[0]?.status, 400);
  assert.match(responses[0]?.body ?? "", /listed proxies/);
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["client-cert-unexpected"],
  );
});
