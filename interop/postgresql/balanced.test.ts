import assert from "node:assert/strict";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { decodePem } from "../../src/encoding/pem.ts";
import { enroll } from "../../src/protocols/est/index.ts";
import { digestResponse, digestSecret } from "../../src/protocols/est/keys-digest.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { commonName, craftedRequest } from "../../test/est/crafted.ts";
import { ask, basic, certificateIn, enrolment } from "../../test/est/raw-client.ts";
import { portOf, type ServiceProcess, startUp, type Up } from "../../test/system/hatchery.ts";
import { type PostgresServer, startPostgres } from "./server.ts";

/** Two services on one database behind a load balancer that gives each connection to the next one, TLS passed through. */
describe("PostgreSQL: two services behind a load balancer", { timeout: 100_000 }, () => {
  let server: PostgresServer;
  let parent: string;
  const services: ServiceProcess[] = [];
  let ups: readonly [Up, Up];
  let balancer: Balancer;
  let root: Uint8Array;

  const call = async (up: Up, method: string, path: string, body?: unknown): Promise<unknown> => {
    const request = { method, path: `/api/v1/tenants/default${path}`, ...(body === undefined ? {} : { body }) };
    const answer = await requestUnix(up.socket, request);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  };
  const start = async (data: string): Promise<Up> => {
    const url = `postgres://hatchery@127.0.0.1:${server.port}/balanced`;
    const args = ["--database", url, "--proxies", "127.0.0.1", "--psk-port", "0"];
    const service = startUp(join(parent, data), args, { env: { PGPASSWORD: server.password } });
    services.push(service);
    return (await service.up) ?? assert.fail((await service.ended).stderr);
  };

  before(async () => {
    server = await startPostgres();
    parent = await mkdtemp(join(tmpdir(), "hatchery-balanced-"));
    await server.create("balanced");
    const first = await start("first");
    await mkdir(join(parent, "second"), { mode: 0o700 });
    await copyFile(join(parent, "first", "vault.key"), join(parent, "second", "vault.key"));
    ups = [first, await start("second")];
    balancer = await roundRobin(ups.map((up) => portOf(up, "default")));
    const { root: pem } = (await call(first, "GET", "/ca")) as { readonly root: string };
    root = decodePem(pem)[0]?.bytes ?? assert.fail("the CA has a root");
    await call(first, "PUT", "/est-users/installer", { password, devices: "line-*", digest: "sha-256" });
    await call(first, "POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
  });
  after(async () => {
    balancer?.close();
    for (const service of services) service.kill("SIGTERM");
    await Promise.all(services.map(({ ended }) => ended));
    await server.remove();
    await rm(parent, { recursive: true });
  });

  const behind = () => ({ port: balancer.port, root });

  test("ok/a request that waits is approved at one service and answered by the other", async () => {
    const directory = join(parent, "waiting");
    const before = balancer.connections();
    const approve = async (run: string | undefined) => {
      await call(ups[1], "POST", `/approvals/${run}`, { state: "approved" });
    };
    const approvals: Promise<void>[] = [];
    const { certificate } = await enroll(
      "simpleenroll",
      {
        server: { host: "127.0.0.1", port: balancer.port, trust: { kind: "explicit", anchors: [root] } },
        subject: deviceName("porch"),
        binding: "auto",
        patience: 60_000,
      },
      nodeEstEnv({ directory, waiting: (_, run) => approvals.push(approve(run)) }),
    );
    await Promise.all(approvals);
    assert.ok(certificate.raw.length > 0);
    assert.equal(balancer.connections() - before, 2, "it asked each service once");
  });

  test("ok/the same request gets the same certificate from both", async () => {
    const request = enrolment(await craftedRequest({ subject: commonName("line-1") }), [basic("installer", password)]);
    const answers = [await ask(behind(), request), await ask(behind(), request)];
    const [one, other] = answers.map(certificateIn);
    assert.deepEqual(one, other);
    assert.equal(answers[0]?.field("hatchery-run"), answers[1]?.field("hatchery-run"));
  });

  test("ok/a nonce of one service is good at the other", async () => {
    const request = await craftedRequest({ subject: commonName("line-2") });
    const wrong = await ask(behind(), enrolment(request, [basic("installer", "wrong horse battery")]));
    const nonce = /Digest [^,]*realm="est".*?nonce="([^"]+)"/.exec(wrong.field("www-authenticate") ?? "")?.[1];
    assert.ok(nonce, wrong.field("www-authenticate") ?? "no challenge");
    const uri = "/.well-known/est/simpleenroll";
    const input = { algorithm: "SHA-256", method: "POST", uri, nonce, nc: "00000001", cnonce: "abc" } as const;
    const response = digestResponse(digestSecret("SHA-256", "installer", "est", password), input);
    const fields = [`username="installer"`, `realm="est"`, `nonce="${nonce}"`, `uri="${uri}"`, `cnonce="abc"`];
    const more = [`response="${response}"`, "algorithm=SHA-256", "qop=auth", "nc=00000001"];
    const authorization = `Authorization: Digest ${[...fields, ...more].join(", ")}`;
    certificateIn(await ask(behind(), enrolment(request, [authorization])));
  });

  test("ok/a pre-shared key that was made at one service is known to the other soon, and one that was removed at once", async () => {
    const made = (await call(ups[0], "PUT", "/est-psks/lamp-1", { devices: "lamp-1" })) as { readonly key: string };
    const trust = { kind: "psk", identity: "lamp-1", key: Buffer.from(made.key, "hex") } as const;
    const listeners = ups.map((up) => up.listeners.find(({ door }) => door === "psk")?.url ?? assert.fail("a door"));
    const proxied = await roundRobin([Number(new URL(listeners[1] ?? "").port)]);
    const asking = async () => {
      const server = { host: "127.0.0.1", port: proxied.port, trust };
      const settings = { server, subject: deviceName("lamp-1"), binding: "auto", patience: 0 } as const;
      await enroll("simpleenroll", settings, nodeEstEnv({ directory: join(parent, "lamp-1") }));
    };
    try {
      for (let tries = 0; ; tries += 1) {
        const error = await asking().then(
          () => undefined,
          (cause: unknown) => cause,
        );
        if (error === undefined) break;
        if (tries > 60) throw error;
        await delay(250);
      }
      await call(ups[0], "DELETE", "/est-psks/lamp-1");
      await assert.rejects(asking(), (error: Error) => /401|handshake/.test(error.message));
    } finally {
      proxied.close();
    }
  });
});

interface Balancer {
  readonly port: number;
  connections(): number;
  close(): void;
}

/** Gives each connection to the next of `ports`, with the PROXY protocol's header. */
async function roundRobin(ports: readonly number[]): Promise<Balancer> {
  let connections = 0;
  const open = new Set<Socket>();
  const server = createServer((device) => {
    const service = connect(ports[connections % ports.length] ?? 0, "127.0.0.1");
    connections += 1;
    service.write(`PROXY TCP4 192.0.2.7 127.0.0.1 ${device.remotePort} 8443\r\n`);
    device.pipe(service).pipe(device);
    for (const socket of [device, service]) {
      open.add(socket);
      socket
        .on("error", () => {})
        .on("close", () => {
          open.delete(socket);
          device.destroy();
          service.destroy();
        });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    connections: () => connections,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

const password = "correct horse battery";
