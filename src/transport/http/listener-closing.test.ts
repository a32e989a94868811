import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { echo, fresh, listen, plain, post, reports } from "./listener.test-support.ts";
import { connected, converse } from "./raw-peer.test-support.ts";

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
