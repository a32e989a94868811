import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import type { TLSSocket } from "node:tls";
import { fresh, listen, post, reports, seen } from "./listener.test-support.ts";
import { connected, converse } from "./raw-peer.test-support.ts";

fresh("fail/too many pipelined requests: the first is answered, the others are not carried out", async () => {
  // What waited is reported when it is given up, which may be after this test.
  const codes: string[] = [];
  const own = await listen({ onError: ({ code }) => codes.push(code) });
  const text = post("Content-Length: 1\r\n", "a").repeat(20);
  const { responses, ended } = await converse(own.port, text, { responses: Infinity });
  assert(ended);
  assert.equal(seen.length, responses.filter(({ status }) => status === 200).length);
  assert(seen.length < 20);
  assert(codes.includes("too-many-requests"));
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

// The server learns of a closed connection a moment after the client closed it.
async function untilServed(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const { responses } = await converse(port, post("Content-Length: 1\r\n", "a"));
    if (responses[0]?.status === 200) return;
  }
  assert.fail("the connection was not counted off");
}
