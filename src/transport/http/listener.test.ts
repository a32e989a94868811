import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { after, before } from "node:test";
import { messageOf } from "../../core/errors.ts";
import { echo, fresh, get, listen, post, reports, routes, seen } from "./listener.test-support.ts";
import type { HttpListener } from "./listener.ts";
import { converse } from "./raw-peer.test-support.ts";
import type { ReplyEvent } from "./reply.ts";

let listener: HttpListener;

before(async () => {
  listener = await listen({ routes });
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

fresh("ok/parameters are decoded, the path is not, and an absolute target is taken as its path", async () => {
  const first = await converse(listener.port, post("Content-Length: 0\r\n", "", "/est/a%20b/simpleenroll?x=1"));
  assert.equal(first.responses[0]?.body, "/est/a%20b/simpleenroll?x=1 a b");
  const second = await converse(
    listener.port,
    post("Content-Length: 0\r\n", "", "https://localhost/est/c/simpleenroll"),
  );
  assert.equal(second.responses[0]?.body, "/est/c/simpleenroll c");
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

fresh("fail/a handler's error reaches the report, not the peer", async () => {
  await converse(listener.port, get("/fails"));
  assert.equal(messageOf(reports[0]?.cause), "the secret reason");
});

fresh("fail/a taken port", async () => {
  await assert.rejects(listen({ port: listener.port }), { code: "address-in-use" });
});

fresh("fail/an address that is not ours", async () => {
  await assert.rejects(listen({ host: "192.0.2.1" }), { code: "listen-failed" });
});
