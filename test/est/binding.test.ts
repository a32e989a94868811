import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { base64 } from "../../src/core/bytes.ts";
import { commonName, craftedRequest, newSigner, passwordAttribute } from "./crafted.ts";
import { ask, basic, certificateIn, dial, enrolment, exchange, type RawAnswer } from "./raw-client.ts";
import { enrolDevice, startService, type TestService } from "./service.ts";

/** What links a request to its connection (RFC 7030 3.5, RFC 9266), over real sockets: demanded by a profile, and used once. */

let service: TestService;

const line = { user: "line", password: "correct horse battery" };
const linked = "/.well-known/est/linked/simpleenroll";

before(async () => {
  service = await startService();
  await service.call("PUT", "/est-users/line", { password: line.password, devices: "*" });
  await service.call("PUT", "/ca/profiles/linked", { binding: "required" });
});

after(() => service.close());

function bindingOf(socket: TLSSocket): string {
  const binding =
    socket.getProtocol() === "TLSv1.2"
      ? socket.getFinished()
      : socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
  return base64(binding as Uint8Array);
}

async function requestOf(name: string, binding?: string, path?: string, signer = newSigner()): Promise<Uint8Array> {
  const attributes = binding === undefined ? [] : [passwordAttribute(binding)];
  const csr = await craftedRequest({ subject: commonName(name), signer, attributes });
  return enrolment(csr, [basic(line.user, line.password)], path);
}

async function reasonOf(answer: RawAnswer): Promise<string> {
  const { summary } = await service.call<{ readonly summary: { readonly reason: string } }>(
    "GET",
    `/runs/${answer.field("hatchery-run")}`,
  );
  return summary.reason;
}

async function refusedFor(answer: RawAnswer, reason: string, says: RegExp): Promise<void> {
  assert.equal(answer.status, 401, answer.text);
  assert.equal(answer.field("hatchery-error"), undefined);
  assert.match(answer.text, says);
  assert.equal(await reasonOf(answer), reason);
}

const mustLink = /^challengePassword must hold the channel binding of this TLS connection \(RFC 7030 3\.5\)\./;

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`ok/${version}: a profile that demands the binding gets it`, async () => {
    const socket = await dial(service, { version });
    certificateIn(await exchange(socket, await requestOf(`linked-${version}`, bindingOf(socket), linked)));
    socket.destroy();
  });

  test(`fail/${version}: a profile that demands the binding gets none, ok/where it is only accepted`, async () => {
    const before = service.contents()["certificates"];
    const answer = await ask(service, await requestOf(`free-${version}`, undefined, linked), { version });
    await refusedFor(answer, "binding-missing", mustLink);
    assert.deepEqual(service.contents()["certificates"], before);
    certificateIn(await ask(service, await requestOf(`free-${version}`), { version }));
  });

  test(`fail/${version}: a second request with the binding of one connection, ok/the same one again`, async () => {
    const socket = await dial(service, { version });
    const binding = bindingOf(socket);
    const signer = newSigner();
    const first = await requestOf(`once-${version}`, binding, undefined, signer);
    certificateIn(await exchange(socket, first));
    certificateIn(await exchange(socket, first));
    const used = /has served another request \(RFC 9266 4\.1\); connect again/;
    // ECDSA signs differently each time, so that even the same key makes another request.
    for (const request of [
      await requestOf(`twice-${version}`, binding),
      await requestOf(`once-${version}`, binding, undefined, signer),
    ])
      await refusedFor(await exchange(socket, request), "binding-used", used);
    certificateIn(await exchange(socket, await requestOf(`unlinked-${version}`)));
    certificateIn(await exchange(socket, first));
    socket.destroy();
  });
}

test("ok/a request that was refused for a wrong binding does not use the right one up", async () => {
  const socket = await dial(service);
  const wrong = await exchange(socket, await requestOf("wrong-1", base64(new Uint8Array(32))));
  await refusedFor(wrong, "binding-wrong", mustLink);
  certificateIn(await exchange(socket, await requestOf("wrong-1", bindingOf(socket))));
  socket.destroy();
});

test("ok/our device links its requests, fail/when it is told not to", async () => {
  const server = {
    host: "127.0.0.1",
    port: service.port,
    label: "linked",
    trust: { kind: "explicit", anchors: [service.root] },
  } as const;
  await enrolDevice(service, "simpleenroll", "device-1", { server, credentials: line });
  await assert.rejects(
    enrolDevice(service, "simpleenroll", "device-2", {
      server,
      credentials: line,
      binding: "never",
      csrattrs: "never",
    }),
    (error: unknown) => error instanceof Error && mustLink.test(error.message.replace(/^.*401: /, "")),
  );
});
