import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before } from "node:test";
import { codeOf } from "../../core/errors.ts";
import { certificates, fresh, get, listen, post, reports, routes } from "./listener.test-support.ts";
import type { HttpListener } from "./listener.ts";
import { connected, converse } from "./raw-peer.test-support.ts";

let listener: HttpListener;

before(async () => {
  listener = await listen({ routes });
});

after(() => listener.close());

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  const tls = { minVersion: version, maxVersion: version };

  fresh(`ok/${version}: a request on a half-closed connection is answered`, async () => {
    const { responses, ended } = await converse(listener.port, post("Content-Length: 3\r\n", "abc"), {
      end: true,
      tls,
      responses: Infinity,
    });
    assert.deepEqual(
      responses.map(({ body }) => body),
      ["abc"],
    );
    assert(ended);
  });

  fresh(`ok/${version}: no session is resumed`, async () => {
    const first = await connected(listener.port, tls);
    let session: Buffer | undefined = first.getSession();
    first.on("session", (ticket: Buffer) => {
      session = ticket;
    });
    first.write(get("/memory"));
    await once(first, "data");
    first.destroy();
    assert(session !== undefined);
    const second = await connected(listener.port, { ...tls, session });
    assert.equal(second.isSessionReused(), false);
    second.destroy();
  });
}

fresh("fail/older versions of TLS", async () => {
  await assert.rejects(
    connected(listener.port, { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT:@SECLEVEL=0" }),
    { code: "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION" },
  );
  assert.deepEqual(
    reports.map(({ code }) => code),
    ["handshake-failed"],
  );
});

fresh("fail/renegotiation", async () => {
  const socket = await connected(listener.port, { maxVersion: "TLSv1.2" });
  const error = await new Promise((resolve) => {
    socket.renegotiate({}, resolve);
    socket.on("error", resolve);
  });
  assert.match(codeOf(error), /NO_RENEGOTIATION/);
  socket.destroy();
});

fresh("ok/the certificate is replaced while running, and an unusable one changes nothing", async () => {
  const own = await listen();
  const fingerprint = async () => {
    const socket = await connected(own.port);
    const { fingerprint256 } = socket.getPeerCertificate();
    socket.destroy();
    return fingerprint256;
  };
  const old = await fingerprint();
  const { replacement, server } = certificates;
  assert.throws(() => own.replaceCredential({ chain: replacement.chain, key: server.key }), {
    code: "unusable-credential",
  });
  assert.equal(await fingerprint(), old);
  own.replaceCredential(replacement);
  assert.notEqual(await fingerprint(), old);
  await own.close();
});

fresh("fail/a key that does not belong to the certificate", async () => {
  const credential = { chain: certificates.server.chain, key: certificates.device.key };
  await assert.rejects(listen({ credential }), { code: "unusable-credential" });
});
