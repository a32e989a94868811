import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { base64, concat, hex } from "../../src/core/bytes.ts";
import { generateKey, signerOf } from "../../src/crypto/keys.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { commonName, craftedRequest, newSigner, passwordAttribute } from "./crafted.ts";
import { ask, basic, certificateIn, dial, enrolment, exchange, message, type RawIdentity } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";
import { makeStrangers, type Strangers } from "./strangers.ts";

/** Good requests at the wrong time, on the wrong connection, or one behind the other: each is judged by itself. */

let service: TestService;
let known: Strangers;
const password = "correct horse battery";
const reenroll = "/.well-known/est/simplereenroll";

before(async () => {
  service = await startService();
  known = await makeStrangers(service);
  await service.call("PUT", "/est-users/installer", { password, devices: "line-*" });
});

after(() => service.close());

async function requestOf(name: string, signer: Signer = newSigner(), attributes: readonly Uint8Array[] = []) {
  return craftedRequest({ subject: commonName(name), signer, attributes });
}

async function newestRefusal(): Promise<string | undefined> {
  const path = "/runs?outcome=refused&limit=1";
  const { items } = await service.call<{ readonly items: readonly { readonly reason: string }[] }>("GET", path);
  return items[0]?.reason;
}

/** The next `count` responses on a connection, each cut out of the bytes by its Content-Length. */
async function answersOn(socket: TLSSocket, count: number): Promise<readonly string[]> {
  const answers: string[] = [];
  let received = "";
  while (answers.length < count) {
    const end = received.indexOf("\r\n\r\n") + 4;
    const length = end + Number(/^Content-Length: (\d+)/im.exec(received)?.[1]);
    if (end > 3 && received.length >= length) {
      answers.push(received.slice(0, length));
      received = received.slice(length);
    } else {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      received += chunk.toString("latin1");
    }
  }
  return answers;
}

test("ok/pipelined requests are answered in their order", async () => {
  const fields = [basic("installer", password)];
  const read = message("GET /.well-known/est/cacerts");
  const [first, second] = [await requestOf("line-1"), await requestOf("line-2")];
  const socket = await dial(service);
  socket.write(concat([enrolment(first, fields), read, enrolment(second, fields)]));
  const [one = "", cacerts = "", two = ""] = await answersOn(socket, 3);
  socket.destroy();
  for (const answer of [one, cacerts, two]) assert.match(answer, /^HTTP\/1\.1 200 /);
  assert.match(cacerts, /^Content-Type: application\/pkcs7-mime\r$/m);
  // Each is the answer to its own request: asked alone, it is the same to the octet.
  for (const [request, answer] of [
    [first, one],
    [second, two],
  ] as const)
    assert.ok(answer.endsWith((await ask(service, enrolment(request, fields))).text));
});

test("fail/the password of one request is not that of the next on the same connection", async () => {
  const socket = await dial(service);
  certificateIn(await exchange(socket, enrolment(await requestOf("line-3"), [basic("installer", password)])));
  const next = await exchange(socket, enrolment(await requestOf("line-4")));
  assert.equal(next.status, 401);
  assert.equal(await newestRefusal(), "credentials-missing");
  socket.destroy();
});

test("fail/another device's recorded request, by a client that is welcome", async () => {
  await service.call("POST", "/claims", { label: "VICTIM-1" });
  const { certificate, key } = await service.factory.makeDevice("VICTIM-1");
  const victim: RawIdentity = { chain: [certificate], key };
  const recorded = enrolment(await requestOf("VICTIM-1"));
  certificateIn(await ask(service, recorded, { identity: victim }));
  const stored = service.rows("certificates").length;
  const replayed = await ask(service, recorded, { identity: known.device });
  assert.deepEqual([replayed.status, replayed.field("hatchery-error")], [403, "name-not-the-client"]);
  // Nor without any certificate, nor as a renewal by the thief's own one.
  assert.equal((await ask(service, recorded)).status, 401);
  const renewal = enrolment(await requestOf("VICTIM-1"), [], reenroll);
  const stolen = await ask(service, renewal, { identity: known.enrolled });
  assert.deepEqual([stolen.status, stolen.field("hatchery-error")], [403, "name-not-the-client"]);
  assert.equal(service.rows("certificates").length, stored);
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const bindingOf = (socket: TLSSocket) =>
    version === "TLSv1.2"
      ? socket.getFinished()
      : socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));

  test(`ok/${version}: a linked request again on its connection, fail/another linked one there`, async () => {
    const socket = await dial(service, { identity: known.device, version });
    const attributes = [passwordAttribute(base64(bindingOf(socket) as Uint8Array))];
    const request = enrolment(await requestOf("GOOD-1", newSigner(), attributes));
    const first = await exchange(socket, request);
    assert.equal(hex(certificateIn(await exchange(socket, request))), hex(certificateIn(first)));
    const other = await exchange(socket, enrolment(await requestOf("GOOD-1", newSigner(), attributes)));
    assert.equal(other.status, 401);
    assert.equal(await newestRefusal(), "binding-used");
    socket.destroy();
  });

  test(`ok/${version}: a client that offers a former session gets a connection of its own`, async () => {
    const former = await dial(service, { identity: known.device, version });
    let session: Buffer | undefined = former.getSession();
    former.on("session", (ticket: Buffer) => {
      session = ticket;
    });
    const before = bindingOf(former) as Buffer;
    await exchange(former, message("GET /.well-known/est/cacerts"));
    former.destroy();
    assert.ok(session !== undefined);
    const ca = encodePem("CERTIFICATE", service.root);
    const options = { host: "127.0.0.1", port: service.port, ca, minVersion: version, maxVersion: version };
    const socket = connect({ ...options, session });
    await once(socket, "secureConnect");
    assert.equal(socket.isSessionReused(), false);
    // Neither the binding nor the client of the former connection holds on this one.
    const attributes = [passwordAttribute(base64(before))];
    const answer = await exchange(socket, enrolment(await requestOf("GOOD-1", newSigner(), attributes)));
    assert.equal(answer.status, 401);
    socket.destroy();
  });
}

test("fail/renegotiation ends the connection, and what was granted before stands", async () => {
  const socket = await dial(service, { identity: known.device, version: "TLSv1.2" });
  const request = enrolment(await requestOf("GOOD-1"));
  const first = certificateIn(await exchange(socket, request));
  const refused = new Promise((resolve) => {
    socket.on("error", resolve);
    socket.renegotiate({}, resolve);
  });
  assert.match(String(await refused), /no renegotiation/i);
  socket.destroy();
  assert.equal(hex(certificateIn(await ask(service, request, { identity: known.device }))), hex(first));
});

/** Suites that RFC 7030 6 forbids, as OpenSSL names them; it has no EXPORT and no single DES any more. */
for (const suites of ["aNULL", "eNULL", "3DES", "RC4", "MD5"]) {
  test(`fail/TLS suites of ${suites}`, async () => {
    const options = {
      host: "127.0.0.1",
      port: service.port,
      maxVersion: "TLSv1.2",
      rejectUnauthorized: false,
    } as const;
    const outcome = await new Promise<unknown>((resolve) => {
      try {
        // What OpenSSL itself no longer has cannot be offered, which is as good.
        const socket = connect({ ...options, ciphers: `${suites}:@SECLEVEL=0` });
        socket.once("error", resolve).once("secureConnect", () => {
          socket.destroy();
          resolve(undefined);
        });
      } catch (error) {
        resolve(error);
      }
    });
    assert.match(String((outcome as { readonly code?: string } | undefined)?.code), /HANDSHAKE_FAILURE|NO_CIPHER/);
  });
}

test("fail/a certificate that is revoked while its connection stays open", async () => {
  const socket = await dial(service, { identity: known.enrolled });
  certificateIn(await exchange(socket, enrolment(await requestOf("GOOD-1"), [], reenroll)));
  const serial = hex(parseCertificate(known.enrolled.chain[0] as Uint8Array).serialNumber);
  await service.call("POST", "/ca/revocations", { which: { kind: "serial", serial }, reason: "superseded" });
  const answer = await exchange(socket, enrolment(await requestOf("GOOD-1"), [], reenroll));
  socket.destroy();
  assert.equal(answer.status, 401);
  assert.equal(await newestRefusal(), "certificate-revoked");
});

test("fail/a rule that denies the device while its connection stays open", async () => {
  const socket = await dial(service, { identity: known.device });
  certificateIn(await exchange(socket, enrolment(await requestOf("GOOD-1"))));
  const { id } = await service.call<{ readonly id: string }>("POST", "/rules", {
    verdict: "deny",
    match: { serial: "GOOD-1" },
  });
  const answer = await exchange(socket, enrolment(await requestOf("GOOD-1")));
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "not-allowed"]);
  await service.call("DELETE", `/rules/${id}`);
  certificateIn(await exchange(socket, enrolment(await requestOf("GOOD-1"))));
  socket.destroy();
});

test("ok/two renewals of one certificate at once, with one key and with two", async () => {
  await service.call("POST", "/claims", { label: "RENEW-1" });
  const made = await service.factory.makeDevice("RENEW-1");
  const key = generateKey("P-256");
  const first = await ask(service, enrolment(await requestOf("RENEW-1", signerOf(key))), {
    identity: { chain: [made.certificate], key: made.key },
  });
  const identity = { chain: [certificateIn(first)], key };
  const renewed = async (requests: readonly Uint8Array[]) => {
    const sockets = await Promise.all(requests.map(() => dial(service, { identity })));
    const answers = await Promise.all(sockets.map((socket, at) => exchange(socket, requests[at] as Uint8Array)));
    for (const socket of sockets) socket.destroy();
    return new Set(answers.map((answer) => hex(certificateIn(answer)))).size;
  };
  const renewal = async () => enrolment(await requestOf("RENEW-1"), [], reenroll);
  const one = await renewal();
  assert.equal(await renewed([one, one]), 1);
  assert.equal(await renewed([await renewal(), await renewal()]), 2);
  const { certificates } = await service.call<{ readonly certificates: readonly unknown[] }>("GET", "/devices/RENEW-1");
  assert.equal(certificates.length, 4);
});
