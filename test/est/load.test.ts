import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { commonName, craftedRequest } from "./crafted.ts";
import { ask, basic, certificateIn, dial, enrolment, exchange } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** Clients that only take room must not keep an honest one from its certificate. */

let service: TestService;
const idle = new Set<TLSSocket>();

before(async () => {
  service = await startService();
  await service.call("PUT", "/est-users/honest", { password: "correct horse", devices: "*" });
});

after(async () => {
  for (const socket of idle) socket.destroy();
  await service.close();
});

async function honestRequest(name: string): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject: commonName(name) }), [basic("honest", "correct horse")]);
}

test("ok/an honest device enrols in less than 2 s while 1,000 connections idle", async (context) => {
  const opening = performance.now();
  while (idle.size < connections) {
    for (const socket of await Promise.all(Array.from({ length: atOnce }, () => dial(service)))) {
      idle.add(socket);
      socket.once("close", () => idle.delete(socket));
    }
  }
  const request = await honestRequest("honest-1");
  const began = performance.now();
  certificateIn(await ask(service, request));
  const took = performance.now() - began;
  context.diagnostic(
    `${idle.size} idle connections, opened in ${(began - opening).toFixed(0)} ms; enrolled in ${took.toFixed(0)} ms`,
  );
  assert.ok(took < 2_000, `took ${took.toFixed(0)} ms`);
  assert.ok(idle.size >= connections * 0.9, `${idle.size} connections were still open`);
});

test("ok/a complete request on a half-closed connection is answered with the certificate", async () => {
  const socket = await dial(service);
  const answer = exchange(socket, await honestRequest("honest-2"));
  // Sends close_notify and FIN right behind the request.
  socket.end();
  certificateIn(await answer);
  socket.destroy();
});

const connections = 1_000;
const atOnce = 100;
