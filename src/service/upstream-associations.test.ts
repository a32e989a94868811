import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../core/clock.ts";
import type { Connection, Peer } from "../core/link.ts";
import { TransportError } from "../transport/errors.ts";
import type { HttpRequest, HttpResponse } from "../transport/http/message.ts";
import { associations } from "./upstream-associations.ts";

const request: HttpRequest = { method: "GET", path: "/", headers: [], body: new Uint8Array(0) };
const response: HttpResponse = { status: 204, headers: [], body: new Uint8Array(0) };
const closedByServer = () => new TransportError("association-closed", "The server closed it.");

/** A server of the test: `answer` is asked with the number of the association and of the request on it. */
function server(answer: (association: number, request: number) => HttpResponse | Promise<HttpResponse>) {
  const clock = new ManualClock(0);
  const seen = { dialled: 0, open: 0, atOnce: 0, mostAtOnce: 0 };
  const dial = async (): Promise<Connection<HttpRequest, HttpResponse>> => {
    seen.dialled += 1;
    seen.open += 1;
    const number = seen.dialled;
    let requests = 0;
    return {
      peer: {} as Peer,
      async request() {
        requests += 1;
        seen.atOnce += 1;
        seen.mostAtOnce = Math.max(seen.mostAtOnce, seen.atOnce);
        try {
          return await answer(number, requests);
        } finally {
          seen.atOnce -= 1;
        }
      },
      serve() {},
      async close() {
        seen.open -= 1;
      },
    };
  };
  return { clock, seen, dial };
}

test("ok/one association serves requests one after another", async () => {
  const { dial, clock, seen } = server(() => response);
  const kept = associations(dial, clock);
  for (let time = 0; time < 5; time += 1) assert.equal(await kept.request(request), response);
  assert.equal(seen.dialled, 1);
  await kept.close();
  assert.equal(seen.open, 0);
});

test("ok/no more than the bound are under way, the others wait", async () => {
  const { dial, clock, seen } = server(async () => {
    await new Promise(setImmediate);
    return response;
  });
  const kept = associations(dial, clock, { atOnce: 3, waiting: 100 });
  await Promise.all(Array.from({ length: 50 }, () => kept.request(request)));
  assert.deepEqual([seen.mostAtOnce, seen.dialled], [3, 3]);
});

test("ok/a kept association that the server has closed is replaced, and the request sent again", async () => {
  const { dial, clock, seen } = server((association, number) => {
    if (association === 1 && number === 2) throw closedByServer();
    return response;
  });
  const kept = associations(dial, clock);
  await kept.request(request);
  assert.equal(await kept.request(request), response);
  assert.equal(seen.dialled, 2);
});

test("ok/an association that was idle for long is not used any more", async () => {
  const { dial, clock, seen } = server(() => response);
  const kept = associations(dial, clock);
  await kept.request(request);
  clock.advance(60_000);
  await kept.request(request);
  assert.deepEqual([seen.dialled, seen.open], [2, 1]);
});

test("fail/after a failure nothing is sent for a second, then it is tried again", async () => {
  let down = true;
  const { dial, clock, seen } = server(() => {
    if (down) throw closedByServer();
    return response;
  });
  const kept = associations(dial, clock);
  const failed = {
    code: "upstream-unusable",
    message: "the upstream EST server cannot be reached: The server closed it.",
  };
  await assert.rejects(kept.request(request), failed);
  down = false;
  await assert.rejects(kept.request(request), failed);
  assert.equal(seen.dialled, 1);
  clock.advance(1000);
  assert.equal(await kept.request(request), response);
});

test("fail/more than may wait", async () => {
  const { dial, clock } = server(async () => {
    await new Promise(setImmediate);
    return response;
  });
  const kept = associations(dial, clock, { atOnce: 1, waiting: 1 });
  const answers = [kept.request(request), kept.request(request), kept.request(request)];
  await assert.rejects(answers[2] as Promise<HttpResponse>, {
    code: "overloaded",
    message: "too many requests wait for the upstream EST server",
  });
  await Promise.all(answers.slice(0, 2));
});
