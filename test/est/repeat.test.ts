import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { formatName } from "../../src/pki/name.ts";
import { commonName, craftedRequest, newSigner } from "./crafted.ts";
import {
  ask,
  basic,
  certificateIn,
  dial,
  enrolment,
  exchange,
  type RawAnswer,
  type RawIdentity,
} from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** Requests that come again, together, or after the service was gone: nothing is granted twice, nothing by halves. */

let service: TestService;

before(async () => {
  service = await startService();
});

after(() => service.close());

/** A claimed device of the registered manufacturer. */
async function claimed(label: string): Promise<RawIdentity> {
  await service.call("POST", "/claims", { label });
  const { certificate, key } = await service.factory.makeDevice(label);
  return { chain: [certificate], key };
}

async function requestOf(name: string, signer: Signer = newSigner(), fields: readonly string[] = []) {
  return enrolment(await craftedRequest({ subject: commonName(name), signer }), fields);
}

interface DeviceDetails {
  readonly certificates: readonly unknown[];
  readonly runs: readonly { readonly outcome: string }[];
}

async function deviceOf(name: string): Promise<{ readonly certificates: number; readonly granted: number }> {
  const { certificates, runs } = await service.call<DeviceDetails>("GET", `/devices/${name}`);
  return { certificates: certificates.length, granted: runs.filter(({ outcome }) => outcome === "granted").length };
}

const text = (answer: RawAnswer) => hex(certificateIn(answer));

test("ok/the same request gets the same certificate: same connection, new one, after a restart", async () => {
  const identity = await claimed("AGAIN-1");
  const signer = newSigner();
  const request = await requestOf("AGAIN-1", signer);
  const socket = await dial(service, { identity });
  const first = await exchange(socket, request);
  const before = service.contents();
  const again = [await exchange(socket, request)];
  socket.destroy();
  // ECDSA signs differently each time: it is the key that makes it the same request.
  again.push(await ask(service, await requestOf("AGAIN-1", signer), { identity }));
  await service.restart();
  again.push(await ask(service, request, { identity }));
  for (const answer of again) {
    assert.equal(text(answer), text(first));
    assert.equal(answer.field("hatchery-run"), first.field("hatchery-run"));
  }
  assert.deepEqual(service.contents(), before);
});

test("ok/another key is another enrolment of the same device", async () => {
  const identity = await claimed("REKEY-1");
  const first = text(await ask(service, await requestOf("REKEY-1"), { identity }));
  const second = text(await ask(service, await requestOf("REKEY-1"), { identity }));
  assert.notEqual(first, second);
  assert.deepEqual(await deviceOf("REKEY-1"), { certificates: 2, granted: 2 });
});

test("ok/a reply that was lost after the commit is given again", async () => {
  const identity = await claimed("LOST-1");
  const request = await requestOf("LOST-1");
  const socket = await dial(service, { identity });
  const cut = () => socket.destroy();
  // Published when everything is stored and nothing is sent.
  subscribe("hatchery:reply:before", cut);
  socket.write(request);
  await once(socket, "close");
  unsubscribe("hatchery:reply:before", cut);
  const stored = service.contents();
  assert.deepEqual(await deviceOf("LOST-1"), { certificates: 1, granted: 1 });
  certificateIn(await ask(service, request, { identity }));
  assert.deepEqual(service.contents(), stored);
});

test("ok/a client that leaves right after its request has one certificate or none, and one in the end", async () => {
  const identity = await claimed("LEAVES-1");
  const request = await requestOf("LEAVES-1");
  const socket = await dial(service, { identity });
  await new Promise((sent) => socket.write(request, sent));
  socket.destroy();
  certificateIn(await ask(service, request, { identity }));
  assert.deepEqual(await deviceOf("LEAVES-1"), { certificates: 1, granted: 1 });
});

test("ok/the same request four times at once gets one certificate", async () => {
  const identity = await claimed("TWIN-1");
  const request = await requestOf("TWIN-1");
  const sockets = await Promise.all([1, 2, 3, 4].map(() => dial(service, { identity })));
  const answers = await Promise.all(sockets.map((socket) => exchange(socket, request)));
  for (const socket of sockets) socket.destroy();
  assert.equal(new Set(answers.map(text)).size, 1);
  assert.deepEqual(await deviceOf("TWIN-1"), { certificates: 1, granted: 1 });
});

for (const [keys, atLeast] of [
  [2, 2],
  [8, 3],
] as const) {
  test(`ok/one device with ${keys} keys at once: each is granted whole or asked to come again`, async () => {
    const name = `KEYS-${keys}`;
    const identity = await claimed(name);
    const requests = await Promise.all(Array.from({ length: keys }, () => requestOf(name)));
    const sockets = await Promise.all(requests.map(() => dial(service, { identity })));
    const answers = await Promise.all(sockets.map((socket, at) => exchange(socket, requests[at] as Uint8Array)));
    for (const socket of sockets) socket.destroy();
    const granted = answers.filter(({ status }) => status === 200).length;
    assert.ok(granted >= atLeast, `${granted} granted`);
    for (const answer of answers)
      if (answer.status !== 200) assert.deepEqual([answer.status, answer.field("retry-after")], [503, "10"]);
    assert.deepEqual(await deviceOf(name), { certificates: granted, granted });
    for (const request of requests) certificateIn(await ask(service, request, { identity }));
    assert.deepEqual(await deviceOf(name), { certificates: keys, granted: keys });
  });
}

test("ok/50 devices at once are all enrolled, none twice", async () => {
  const names = Array.from({ length: 50 }, (_, at) => `CROWD-${at}`);
  const identities = await Promise.all(names.map(claimed));
  const requests = await Promise.all(names.map((name) => requestOf(name)));
  const sockets = await Promise.all(identities.map((identity) => dial(service, { identity })));
  const answers = await Promise.all(sockets.map((socket, at) => exchange(socket, requests[at] as Uint8Array)));
  for (const socket of sockets) socket.destroy();
  const issued = answers.map((answer) => formatName(parseCertificate(certificateIn(answer)).subject));
  assert.deepEqual(
    issued,
    names.map((name) => `CN=${name}`),
  );
  for (const name of names) assert.deepEqual(await deviceOf(name), { certificates: 1, granted: 1 });
});

test("ok/a user enrols the names of its pattern, fail/another name", async () => {
  await service.call("PUT", "/est-users/line", { password: "correct horse", devices: "line-*" });
  const fields = [basic("line", "correct horse")];
  const request = await requestOf("line-1", newSigner(), fields);
  assert.equal(text(await ask(service, request)), text(await ask(service, request)));
  assert.deepEqual(await deviceOf("line-1"), { certificates: 1, granted: 1 });
  const signer = newSigner();
  for (const name of ["other-1", "LINE-2"]) {
    const answer = await ask(service, await requestOf(name, signer, fields));
    assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "name-not-the-client"]);
  }
  certificateIn(await ask(service, await requestOf("line-2", signer, fields)));
});
