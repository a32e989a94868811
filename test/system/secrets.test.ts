import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { textOf, utf8 } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import { seededRandomness, systemRandomness } from "../../src/core/randomness.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { deviceKey, deviceName, nodeEstEnv } from "../../src/device/index.ts";
import { privateKeyOf } from "../../src/device/keys.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import type { Run } from "../../src/knowledge/run.ts";
import { openFactory } from "../../src/lab/factory.ts";
import { type EnrolledCredential, type EstDeviceSettings, enroll } from "../../src/protocols/est/index.ts";
import type { ClientIdentity, DeviceKey } from "../../src/protocols/ports.ts";
import { openVault } from "../../src/service/vault/open-vault.ts";
import type { VaultSecrets } from "../../src/service/vault/sources.ts";
import { openSqliteStore } from "../../src/store/sqlite.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { portOf, startUp, type Up } from "./hatchery.ts";
import { type Form, formOf } from "./secret-search.ts";

describe("system: what the search can find", () => {
  const randomness = seededRandomness("planted");
  const planted = randomness.bytes(32);
  const hidden: readonly (readonly [form: Form, how: string, written: (bytes: Buffer) => string | Uint8Array])[] = [
    ["raw", "between other bytes", (bytes) => Buffer.concat([Buffer.of(1, 2, 3), bytes, Buffer.of(4)])],
    ["hex", "in capitals", (bytes) => `key=${bytes.toString("hex").toUpperCase()}.`],
    ["base64", "alone", (bytes) => bytes.toString("base64")],
    ["base64", "second in its group", (bytes) => Buffer.concat([Buffer.of(255), bytes]).toString("base64")],
    ["base64", "third in its group", (bytes) => Buffer.concat([Buffer.of(255, 0), bytes]).toString("base64")],
    ["base64", "as PEM", (bytes) => encodePem("PRIVATE KEY", Buffer.concat([Buffer.alloc(35, 9), bytes]))],
    [
      "base64",
      "as PEM in JSON",
      (bytes) => JSON.stringify(encodePem("PRIVATE KEY", Buffer.concat([Buffer.alloc(40), bytes]))),
    ],
    ["base64url", "in JSON", (bytes) => JSON.stringify({ d: bytes.toString("base64url") })],
    ["numbers", "a Buffer in JSON", (bytes) => JSON.stringify({ key: bytes })],
    ["numbers", "a Uint8Array in JSON", (bytes) => JSON.stringify({ key: new Uint8Array(bytes) }, undefined, 2)],
  ];
  for (const [form, how, written] of hidden)
    test(`ok/a secret in ${form}, ${how}`, () => {
      const given = written(Buffer.from(planted));
      const material = typeof given === "string" ? utf8(given) : given;
      assert.equal(formOf(planted, material), form);
      assert.equal(formOf(randomness.bytes(32), material), undefined);
    });
});

describe("system: no secret leaves its place", { timeout: 120_000 }, () => {
  let parent: string;
  let seen: Seen;
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "hatchery-secrets-"));
    seen = await everyRun(parent);
  });
  after(() => rm(parent, { recursive: true }));

  for (const place of ["log", "answers", "database"] as const)
    test(`ok/no secret in the ${place}`, () => {
      const material = seen[place];
      // The search reads this very material: something public that is in it is found by the same way.
      assert.ok(formOf(seen.public[place], material), `what is public is not found in the ${place}`);
      for (const [name, secret] of seen.secrets)
        assert.equal(formOf(secret, material), undefined, `the ${name} is in the ${place}`);
    });

  test("ok/every secret was there to be leaked", () => {
    const names = seen.secrets.map(([name]) => name);
    for (const name of [
      "vault key",
      "passphrase of the vault",
      "environment's key of the vault",
      "key default/root-1",
      "key default/issuing-1",
      "key default/server",
      "key demo/root-1",
      "key default/est-key/served",
    ])
      assert.ok(names.includes(name), `${name} among ${names.join(", ")}`);
    assert.equal(names.filter((name) => name.startsWith("device key")).length, 8);
    assert.equal(new Set(names.filter((name) => name.startsWith("data key"))).size, 2, "before and after the re-key");
  });
});

/** Everything that a service said and kept, and what must not be in it. */
interface Seen {
  readonly log: Uint8Array;
  readonly answers: Uint8Array;
  readonly database: Uint8Array;
  /** Something public that each of them holds. */
  readonly public: { readonly [place in "log" | "answers" | "database"]: Uint8Array };
  readonly secrets: readonly (readonly [name: string, secret: Uint8Array])[];
}

/** A service that logs all it can, and devices that come by every way that there is; wrong ways too. */
async function everyRun(parent: string): Promise<Seen> {
  const data = join(parent, "data");
  const password = "correct-horse-battery-staple";
  const guess = "wrong-horse-battery-staple";
  const passphrase = "six-random-words-of-the-vault";
  const environmentKey = Buffer.from(systemRandomness.bytes(32)).toString("base64");
  const registered = Buffer.from(systemRandomness.bytes(32));
  const answers: string[] = [];
  const keys: DeviceKey[] = [];
  const files: Buffer[] = [];
  const service = startUp(data, ["--log-level", "trace"]);
  const up = (await service.up) ?? assert.fail((await service.ended).stderr);
  try {
    const call = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
      const { status, body: answer } = await requestUnix(up.socket, {
        method,
        path,
        ...(body === undefined ? {} : { body }),
      });
      assert.equal(status, 200, `${method} ${path}: ${JSON.stringify(answer)}`);
      answers.push(JSON.stringify(answer));
      return answer as T;
    };
    const own = "/api/v1/tenants/default";
    const factory = await openFactory("Acme", systemClock, systemRandomness);
    await call("POST", `${own}/anchors`, { name: "acme", pem: encodePem("CERTIFICATE", factory.certificate) });
    await call("POST", `${own}/rules`, { verdict: "allow", match: { issuer: "acme" } });
    await call("POST", `${own}/rules`, { verdict: "wait", match: { credential: "anonymous" } });
    await call("PUT", `${own}/est-users/installer`, { password, devices: "*" });
    await call("PUT", `${own}/est-keys/served`, { key: registered.toString("hex"), devices: "*" });
    await call("PUT", `${own}/ca/profiles/device`, { serverKey: "P-256" });
    const { root } = await call<{ readonly root: string }>("GET", `${own}/ca`);
    const anchors = decodePem(root).map(({ bytes }) => bytes);

    const enrol = (name: string, settings: Partial<EstDeviceSettings>): Promise<EnrolledCredential> =>
      onboard(up, join(parent, "devices", name), anchors, name, settings, call);
    const born = await factory.makeDevice("SN-1");
    const idevid = { chain: [born.certificate], key: deviceKey(born.key, "P-256") } satisfies ClientIdentity;
    const first = await enrol("SN-1", { identity: { ...idevid, credential: "idevid" } });
    const ldevid = { credential: "ldevid", key: first.key, chain: [first.certificate.raw] } as const;
    const renewed = await enrol("SN-1", { identity: ldevid });
    const typed = await enrol("by-password", { credentials: { user: "installer", password } });
    const approved = await enrol("by-approval", {});
    // Keys that the service makes: it had each of them in its hands.
    const user = { credentials: { user: "installer", password } };
    const served = await enrol("served", { ...user, serverKey: { kind: "none" } });
    const symmetric = { kind: "symmetric", identifier: "served", key: registered } as const;
    const encrypted = await enrol("served-encrypted", { ...user, serverKey: symmetric });
    await assert.rejects(enrol("refused", { credentials: { user: "installer", password: guess } }), {
      code: "server-refused",
    });
    const known = await nodeEstEnv({ directory: join(parent, "devices", "refused") }).storage.pendingKey();
    keys.push(idevid.key, ...[first, renewed, typed, approved, served, encrypted].map(({ key }) => key));
    keys.push(known ?? assert.fail("the refused device has kept no key"));
    const address = await babble(
      portOf(up, "default"),
      `GET / HTTP/1.1\r\nAuthorization: Basic ${password}\r\n: :\r\n\r\n`,
    );

    files.push(...(await databaseFiles(data)));
    // Every key again under other keys; those of before must not be seen either.
    const copy = join(parent, "copy");
    await cp(data, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    const before = await sealedKeys(copy, {});
    const vaultKey = await readFile(join(data, "vault.key"));
    await call("POST", "/api/v1/vault/rekey", { source: "passphrase", passphrase });
    while ((await call<{ readonly keys: readonly unknown[] }>("GET", "/api/v1/vault")).keys.length > 1)
      await systemClock.sleep(20);
    await call("POST", "/api/v1/vault/rekey", { source: "env", environmentKey });
    while ((await call<{ readonly keys: readonly unknown[] }>("GET", "/api/v1/vault")).keys.length > 1)
      await systemClock.sleep(20);

    await readEverything(up, call);
    files.push(...(await databaseFiles(data)));
    service.kill("SIGTERM");
    const { code, stdout, stderr } = await service.ended;
    assert.equal(code, 0, stderr);
    files.push(...(await databaseFiles(data)));

    return {
      log: utf8(stdout + stderr),
      answers: utf8(answers.join("\n")),
      database: Buffer.concat(files),
      public: {
        log: utf8(address),
        answers: first.key.signer.publicKey,
        database: first.key.signer.publicKey,
      },
      secrets: [
        ["password", utf8(password)],
        ["password that was guessed", utf8(guess)],
        ["vault key", vaultKey],
        ["passphrase of the vault", utf8(passphrase)],
        ["environment's key of the vault", Buffer.from(environmentKey, "base64")],
        ...before,
        ...(await sealedKeys(data, { environmentKey })),
        ...keys.map((key, index) => [`device key ${index}`, scalarOf(privateKeyToPem(privateKeyOf(key)))] as const),
      ],
    };
  } finally {
    service.kill("SIGKILL");
  }
}

type Call = <T>(method: string, path: string, body?: unknown) => Promise<T>;

/** One enrolment or renewal; the administrator approves a device that waits, and gets its ledger. */
async function onboard(
  up: Up,
  directory: string,
  anchors: readonly Uint8Array[],
  name: string,
  settings: Partial<EstDeviceSettings>,
  call: Call,
): Promise<EnrolledCredential> {
  let waiting: string | undefined;
  let ledger: Run | undefined;
  const env = nodeEstEnv({
    directory,
    ledger: (run) => {
      ledger = run;
    },
    waiting: (_, run) => {
      waiting = run;
    },
  });
  const operation =
    settings.identity?.credential === "ldevid"
      ? "simplereenroll"
      : settings.serverKey === undefined
        ? "simpleenroll"
        : "serverkeygen";
  const approve = () => call<void>("POST", `/api/v1/tenants/default/approvals/${waiting}`, { state: "approved" });
  const credential = await enroll(
    operation,
    {
      server: { host: "127.0.0.1", port: portOf(up, "default"), trust: { kind: "explicit", anchors } },
      subject: deviceName(name),
      keyKind: "P-256",
      binding: "auto",
      patience: 60_000,
      ...settings,
    },
    { ...env, clock: { ...systemClock, sleep: approve } },
  );
  await call("PUT", `/api/v1/tenants/default/runs/${ledger?.id}/device-ledger`, ledger);
  return credential;
}

/** Every answer that the API's document says can be read, of both tenants. */
async function readEverything(up: Up, call: Call): Promise<void> {
  const { paths } = await call<{ readonly paths: Readonly<Record<string, { readonly get?: unknown }>> }>(
    "GET",
    "/openapi.json",
  );
  // A tenant has no upstream CA unless it was given one; other parameters than an id belong to no list.
  const readable = Object.keys(paths).filter(
    (path) => paths[path]?.get !== undefined && !/\/upstream$|\{(?!tenant\}|id\})/.test(path),
  );
  assert.ok(readable.length >= 10, readable.join(", "));
  for (const tenant of up.listeners.map((listener) => listener.tenant))
    for (const path of readable) {
      const of = path.replace("{tenant}", tenant);
      if (!of.endsWith("/{id}")) {
        await call("GET", of);
        continue;
      }
      const list = of.replace("/{id}", "");
      const { items } = await call<{ readonly items: readonly { readonly id?: string; readonly name?: string }[] }>(
        "GET",
        `${list}?limit=500`,
      );
      assert.ok(items.length > 0 || tenant === "demo", `${list} has something to read`);
      for (const { id, name } of items) await call("GET", `${list}/${id ?? name}`);
    }
}

/** Sends what is no HTTP over no TLS and returns the address from which it came, once the server has hung up. */
async function babble(port: number, text: string): Promise<string> {
  const socket: Socket = connect({ host: "127.0.0.1", port });
  await new Promise((resolve) => socket.once("connect", resolve));
  const address = `${socket.localAddress}:${socket.localPort}`;
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  socket.resume().write(text);
  await closed;
  return address;
}

async function databaseFiles(data: string): Promise<readonly Buffer[]> {
  const names = (await readdir(data)).filter((name) => /^hatchery\.db(-wal)?$/.test(name));
  return Promise.all(names.map((name) => readFile(join(data, name))));
}

/** The private keys in the store, opened as the service opens them. */
async function sealedKeys(data: string, secrets: VaultSecrets): Promise<readonly (readonly [string, Uint8Array])[]> {
  const store = await openSqliteStore(join(data, "hatchery.db"));
  const options = { directory: data, store, clock: systemClock, randomness: systemRandomness, secrets };
  const vault = await openVault(options);
  const { keys } = await store.vaultKeys.sealedWith(vault.ring.current, 500);
  await store.close();
  const dataKeys = [...vault.ring.keys].map(([id, key]) => [`data key ${id}`, key.export()] as const);
  const sealedOnes = keys.map(async ({ tenant, name, sealed }) => {
    const opened = await vault.open(`key/${tenant}/${name}`, sealed);
    if (name.startsWith("est-key/")) {
      const { key } = JSON.parse(textOf(opened)) as { readonly key: string };
      return [`key ${tenant}/${name}`, Buffer.from(key, "base64")] as const;
    }
    const pem =
      name === "server"
        ? (JSON.parse(textOf(opened)) as { readonly key: string }).key
        : encodePem("PRIVATE KEY", opened);
    return [`key ${tenant}/${name}`, scalarOf(pem)] as const;
  });
  return [...dataKeys, ...(await Promise.all(sealedOnes))];
}

/** The number that is the secret of an elliptic-curve key, whatever stands around it. */
function scalarOf(pem: string): Uint8Array {
  const { d } = createPrivateKey(pem).export({ format: "jwk" });
  return Buffer.from(d ?? "", "base64url");
}
