import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, hex } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { HatcheryError } from "../../core/errors.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { generateKey, signerOf } from "../../crypto/keys.ts";
import { decodeWireBase64 } from "../../encoding/base64.ts";
import * as der from "../../encoding/der-writer.ts";
import { parseCertificationRequest } from "../../pki/csr.ts";
import { curves, keyTypes } from "../../pki/oids.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { ClientIdentity, DeviceKey, KeyKind } from "../ports.ts";
import type { EstDeviceEnv } from "./device-env.ts";
import { type EstRenewalSettings, type RenewalEvent, renewing } from "./device-renewal.ts";
import { certify, commonName, day, newKey, now, peer, type TestAuthority } from "./fixtures.test-support.ts";
import { encodeReply } from "./http.ts";

/** A clock that only sleeping moves; the wall clock may be set apart from it. */
class Calendar implements Clock {
  #passed = 0;
  wall: number;

  constructor(wall: number) {
    this.wall = wall;
  }

  now(): number {
    return this.wall;
  }

  monotonic(): number {
    return this.#passed;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    assert.ok(milliseconds > 0 && milliseconds < 2 ** 31, `a timer of ${milliseconds} ms`);
    this.#passed += milliseconds;
    this.wall += milliseconds;
  }
}

interface Life {
  readonly clock: Calendar;
  readonly env: EstDeviceEnv;
  readonly stop: AbortController;
  /** What the device has in its storage. */
  readonly stored: () => { readonly identity: ClientIdentity; readonly anchors: readonly Uint8Array[] };
  readonly server: Server;
}

/** The server of a device's whole life: its CA, what else it publishes, and what is wrong with it at the moment. */
interface Server {
  root: TestAuthority;
  published: Uint8Array[];
  lifetime: number;
  /** Milliseconds by which a certificate begins before it is issued. */
  backdated: number;
  fault: ((request: HttpRequest) => HttpResponse | undefined) | undefined;
  requests: number;
  readonly asked: { readonly method: string; readonly path: string; readonly at: number }[];
}

const settings: EstRenewalSettings = {
  server: { host: "est.example", port: 8443 },
  keyKind: "P-256",
  binding: "auto",
  patience: 60_000,
};
const options = { form: "auto", userAgent: undefined, run: undefined } as const;

async function newRoot(name: string, at: number): Promise<TestAuthority> {
  const signer = signerOf(generateKey("P-256"));
  const validity = { notBefore: at - day, notAfter: at + 20 * 365 * day };
  return { signer, certificate: await certify([commonName(name)], signer, undefined, { cA: true, ...validity }) };
}

async function life(seed = "life", lifetime = 90 * day): Promise<Life> {
  const clock = new Calendar(now);
  const stop = new AbortController();
  const root = await newRoot("root 1", now);
  const server: Server = {
    root,
    published: [root.certificate.raw],
    lifetime,
    backdated: 0,
    fault: undefined,
    requests: 0,
    asked: [],
  };
  const issue = (publicKey: Uint8Array) =>
    certify([commonName("SN-1")], { ...root.signer, publicKey }, server.root, {
      notBefore: clock.now() - server.backdated,
      notAfter: clock.now() + server.lifetime,
    });
  const first = newKey();
  let identity: ClientIdentity = { chain: [(await issue(first.signer.publicKey)).raw], key: first };
  let anchors: readonly Uint8Array[] = [root.certificate.raw];
  let pending: DeviceKey | undefined;
  const env: EstDeviceEnv = {
    clock,
    signal: stop.signal,
    randomness: seededRandomness(seed),
    keys: { generate: async () => newKey() },
    fetchUnauthenticated: () => assert.fail("this device has an anchor"),
    storage: {
      anchors: async () => anchors,
      saveAnchors: () => assert.fail("this device has its anchors from its credential"),
      credential: async () => identity,
      pendingKey: async () => pending,
      savePendingKey: async (key) => {
        pending = key;
      },
      async saveCredential({ key, certificate, anchors: taken }) {
        pending = undefined;
        identity = { chain: [certificate], key };
        anchors = taken;
      },
    },
    async dial({ trust, identity: shown }) {
      const known = trust.kind !== "psk" && trust.anchors.some((anchor) => equal(anchor, server.root.certificate.raw));
      const vouched = server.published.length > 1;
      if (!known && !vouched)
        throw new HatcheryError("server-not-trusted", "The server's certificate leads to no anchor.");
      assert.ok(equal(shown?.chain[0] ?? new Uint8Array(), identity.chain[0] as Uint8Array), "shows what it has now");
      return {
        peer: peer("TLSv1.3", [server.root.certificate], `${server.requests}`),
        async request(request: HttpRequest) {
          server.requests += 1;
          server.asked.push({ method: request.method, path: request.path, at: clock.now() });
          const wrong = server.fault?.(request);
          if (wrong !== undefined) return wrong;
          if (request.path.endsWith("/csrattrs"))
            return encodeReply("csrattrs", { kind: "csrattrs", elements: [] }, options);
          if (request.method === "GET")
            return encodeReply("cacerts", { kind: "certificates", certificates: server.published }, options);
          const csr = parseCertificationRequest(decodeWireBase64(request.body));
          const { raw } = await issue(csr.subjectPublicKeyInfo);
          return encodeReply("simplereenroll", { kind: "certificates", certificates: [raw] }, options);
        },
        serve: () => assert.fail("a device asks"),
        close: async () => {},
      };
    },
  };
  return { clock, env, stop, server, stored: () => ({ identity, anchors }) };
}

/** Lives until `visit` says that it is enough. */
async function live({ env, stop }: Life, visit: (event: RenewalEvent) => unknown): Promise<readonly RenewalEvent[]> {
  const events: RenewalEvent[] = [];
  for await (const event of renewing(settings, env)) {
    events.push(event);
    if ((await visit(event)) === "enough") stop.abort(new Error("enough"));
  }
  return events;
}

/** The next root, with the two certificates that lead from one to the other (RFC 4210 4.4). */
async function rollOver(server: Server, name: string, at: number): Promise<void> {
  const old = server.root;
  const next = await newRoot(name, at);
  const validity = { cA: true, notBefore: at - day, notAfter: at + 10 * 365 * day };
  const newWithOld = await certify([commonName(name)], next.signer, old, validity);
  server.root = next;
  server.published = [next.certificate.raw, newWithOld.raw, old.certificate.raw];
}

test("ok/ten years of a device: each renewal at a half to two thirds of its certificate, through three roots", async () => {
  const house = await life();
  const { clock, server } = house;
  let renewals = 0;
  let roots = 1;
  const events = await live(house, async (event) => {
    assert.notEqual(event.kind, "failed", event.kind === "failed" ? `${event.error}` : "");
    if (event.kind !== "renewed") return undefined;
    renewals += 1;
    if (roots < 3 && clock.now() > now + roots * 3 * 365 * day) {
      roots += 1;
      await rollOver(server, `root ${roots}`, clock.now());
    }
    return clock.now() > now + 10 * 365 * day ? "enough" : undefined;
  });
  assert.ok(renewals >= (10 * 365) / (90 * 0.66) && renewals <= 1 + (10 * 365) / 45, `${renewals} renewals`);
  for (const event of events)
    if (event.kind === "scheduled") {
      const { notBefore, notAfter } = event.certificate;
      const share = (event.at - notBefore) / (notAfter - notBefore);
      assert.ok(share >= 0.5 && share <= 0.66, `${share}`);
    }
  assert.equal(roots, 3);
  assert.ok(house.stored().anchors.some((anchor) => equal(anchor, server.root.certificate.raw)));
});

test("ok/chance spreads a fleet, and the same chance gives the same times", async () => {
  const times = async (seed: string) => {
    const house = await life(seed);
    const [event] = await live(house, () => "enough");
    return event?.kind === "scheduled" ? event.at : assert.fail();
  };
  const fleet = await Promise.all(["a", "b", "c", "d"].map(times));
  assert.equal(new Set(fleet).size, 4);
  assert.equal(await times("a"), fleet[0]);
});

test("ok/a long outage: tried again at most an hour and a quarter apart, through the end of the certificate and after", async () => {
  const house = await life();
  const { clock, server } = house;
  server.fault = () => {
    throw new HatcheryError("connect-failed", "Connecting failed.");
  };
  let before = 0;
  let pause = 0;
  let expired = 0;
  const events = await live(house, (event) => {
    if (event.kind === "failed") {
      if (before !== 0) pause = Math.max(pause, clock.now() - before);
      before = clock.now();
      expired += event.expired ? 1 : 0;
      if (clock.now() > now + 100 * day) server.fault = undefined;
    }
    return event.kind === "renewed" ? "enough" : undefined;
  });
  assert.ok(expired > 100, `${expired} tries after the end`);
  assert.ok(pause > 3_600_000 && pause <= 4_500_000, `${pause}`);
  const failures = events.filter(({ kind }) => kind === "failed").length;
  assert.ok(failures < (70 * 24 * 3600) / 3000, `${failures} failures in seventy days`);
});

test("ok/a life of minutes leaves no pauses of an hour", async () => {
  const house = await life("minutes", 600_000);
  let failures = 0;
  house.server.fault = () => (failures < 4 ? { status: 500, headers: [], body: new Uint8Array() } : undefined);
  const events = await live(house, (event) => {
    failures += event.kind === "failed" ? 1 : 0;
    return event.kind === "renewed" ? "enough" : undefined;
  });
  assert.equal(events.at(-1)?.kind, "renewed");
  assert.ok(house.clock.now() < now + 600_000, "renewed in time");
});

test("ok/a busy server is waited for within patience, and tried again after it", async () => {
  const house = await life();
  let asked = 0;
  house.server.fault = () => {
    asked += 1;
    if (asked > 12) return undefined;
    return { status: 503, headers: [["Retry-After", "10"]], body: new Uint8Array() };
  };
  const events = await live(house, ({ kind }) => (kind === "renewed" ? "enough" : undefined));
  assert.deepEqual(
    new Set(events.flatMap((event) => (event.kind === "failed" ? [(event.error as HatcheryError).code] : []))),
    new Set(["server-busy"]),
  );
});

test("ok/the clock is set forward: it renews when it notices, minutes later", async () => {
  const house = await life();
  const { clock } = house;
  const events: RenewalEvent[] = [];
  let jumped = 0;
  const { sleep } = clock;
  clock.sleep = async (time, signal) => {
    await sleep.call(clock, time, signal);
    if (jumped === 0) {
      clock.wall += 70 * day;
      jumped = clock.monotonic();
    }
  };
  for await (const event of renewing(settings, house.env)) {
    events.push(event);
    if (event.kind === "renewed") break;
  }
  assert.equal(clock.monotonic(), jumped, "no further sleep");
});

for (const [name, wall] of [
  ["years back", now - 5 * 365 * day],
  ["to 1970", 0],
] as const)
  test(`ok/the clock is set ${name}: what has passed decides, not what is to come`, async () => {
    const house = await life();
    const { clock, env } = house;
    let set = false;
    for await (const event of renewing(settings, env)) {
      if (event.kind === "scheduled" && !set) {
        set = true;
        clock.wall = wall;
        continue;
      }
      // Tried, although nothing can be valid by that clock.
      assert.equal(event.kind, "failed");
      break;
    }
    assert.ok(clock.monotonic() <= 0.66 * 90 * day && clock.monotonic() >= 0.5 * 90 * day);
  });

test("ok/a device that begins without a clock renews after the share of a life, and when it has one at once", async () => {
  const house = await life();
  const { clock, env } = house;
  clock.wall = 0;
  const begun = clock.monotonic();
  for await (const event of renewing(settings, env)) {
    if (event.kind === "scheduled") {
      assert.ok(event.at >= 0.5 * 90 * day && event.at <= 0.66 * 90 * day);
      clock.wall = now + 80 * day;
      continue;
    }
    assert.equal(event.kind, "renewed");
    break;
  }
  assert.equal(clock.monotonic(), begun);
});

test("ok/a clock that is a life ahead does not make it renew without end", async () => {
  const house = await life();
  const { clock, env, server } = house;
  const ahead = 80 * day;
  clock.wall += ahead;
  // The server's clock is right.
  const { dial } = env;
  const times: number[] = [];
  const behind: EstDeviceEnv = {
    ...env,
    async dial(target) {
      const connection = await dial(target);
      return {
        ...connection,
        async request(request, signal) {
          clock.wall -= ahead;
          try {
            return await connection.request(request, signal);
          } finally {
            clock.wall += ahead;
          }
        },
      };
    },
  };
  for await (const event of renewing(settings, behind)) {
    if (event.kind === "renewed") times.push(clock.monotonic());
    if (times.length === 4) break;
  }
  assert.ok(
    times.every((time, index) => index === 0 || time - (times[index - 1] ?? 0) >= 5 * day),
    `${times}`,
  );
  assert.equal(server.requests, 12);
});

test("ok/a certificate that begins long before it was issued is renewed before it ends", async () => {
  const house = await life("backdated", day);
  house.server.backdated = 60 * day;
  let renewals = 0;
  await live(house, (event) => {
    if (event.kind !== "renewed") return undefined;
    renewals += 1;
    return renewals === 4 ? "enough" : undefined;
  });
  assert.ok(house.clock.now() <= now + 0.66 * day + 3 * (day / 2), "each when half of what is left is over");
});

test("ok/a CA whose certificates live for seconds is not asked without pause, and the device says so once", async () => {
  const house = await life("seconds", 4_000);
  const warnings: string[] = [];
  const env = { ...house.env, warning: (sentence: string) => void warnings.push(sentence) };
  const times: number[] = [];
  for await (const event of renewing(settings, env)) {
    if (event.kind === "renewed") times.push(house.clock.monotonic());
    if (times.length === 4) break;
  }
  assert.ok(
    times.every((time, index) => index === 0 || time - (times[index - 1] ?? 0) >= 30_000),
    `${times}`,
  );
  assert.equal(warnings.length, 1);
});

for (const [name, status, code] of [
  ["a person has to decide", 202, "waited-too-long"],
  ["is busy", 503, "server-busy"],
] as const)
  test(`ok/a server that ${name} is asked again when it said, not before, and not all at once`, async () => {
    const house = await life();
    const told = [3600, 7200, 86_400];
    let left = told.length;
    house.server.fault = ({ method }) => {
      if (method === "GET" || left === 0) return undefined;
      left -= 1;
      return { status, headers: [["Retry-After", `${told[told.length - 1 - left]}`]], body: new Uint8Array() };
    };
    const events = await live(house, ({ kind }) => (kind === "renewed" ? "enough" : undefined));
    const failures = events.filter((event) => event.kind === "failed");
    assert.deepEqual(
      failures.map(({ error }) => (error as HatcheryError).code),
      [code, code, code],
    );
    const posts = house.server.asked.filter(({ method }) => method === "POST").map(({ at }) => at);
    for (const [index, seconds] of told.entries()) {
      const waited = (posts[index + 1] ?? 0) - (posts[index] ?? 0);
      assert.ok(waited >= seconds * 1000 && waited <= seconds * 1250, `${waited} for ${seconds}`);
    }
  });

/** The CA wants keys on this curve. */
const curveWanted = (curve: keyof typeof curves) => {
  const values = [der.objectIdentifier(curves[curve])];
  const elements = [{ kind: "attribute", type: keyTypes.ecPublicKey, values }] as const;
  return encodeReply("csrattrs", { kind: "csrattrs", elements }, options);
};

/** Begins a renewal with a P-384 key that goes wrong as `first` says, then goes on; the kinds of keys that were made. */
async function begunWith(house: Life, first: () => HttpResponse, chosen?: KeyKind): Promise<readonly string[]> {
  const kinds: string[] = [];
  let begun = false;
  house.server.fault = ({ method, path }) => {
    if (path.endsWith("/csrattrs")) return curveWanted(begun ? "P-256" : "P-384");
    if (method === "GET" || begun) return undefined;
    begun = true;
    return first();
  };
  const keys = {
    generate: async (kind: KeyKind) => {
      kinds.push(kind);
      return { ...newKey(), kind };
    },
  };
  const { keyKind: _, ...others } = settings;
  const wish = chosen === undefined ? others : { ...others, keyKind: chosen };
  let failures = 0;
  for await (const event of renewing(wish, { ...house.env, keys })) {
    if (event.kind === "renewed") return kinds;
    if (event.kind !== "failed") continue;
    failures += 1;
    if (failures === 3) throw event.error;
  }
  return assert.fail("it went on");
}

const lost = (): never => {
  throw new HatcheryError("association-closed", "The association ended.");
};

test("ok/the CA wants another kind of key by now: a renewal that was interrupted begins anew", async () => {
  assert.deepEqual(await begunWith(await life(), lost), ["P-384", "P-256"]);
});

test("fail/the CA wants another kind of key than the one that a person chose: the kept key stays", async () => {
  const house = await life();
  await assert.rejects(begunWith(house, lost, "P-384"), { code: "key-kind-conflict" });
  assert.equal((await house.env.storage.pendingKey())?.kind, "P-384");
});

for (const [name, refusal, isAnother] of [
  ["400", "key-weak", true],
  ["403", "key-revoked", true],
  ["401", "certificate-expired", false],
  ["503", "overloaded", false],
] as const)
  test(`ok/a request that was answered with ${name} is repeated with ${isAnother ? "another" : "the same"} key`, async () => {
    const house = await life();
    const keys: string[] = [];
    house.server.fault = ({ method, body }) => {
      if (method === "GET") return undefined;
      keys.push(hex(parseCertificationRequest(decodeWireBase64(body)).subjectPublicKeyInfo));
      return keys.length === 1 ? encodeReply("simplereenroll", { kind: "refused", refusal }, options) : undefined;
    };
    await live(house, ({ kind }) => (kind === "renewed" ? "enough" : undefined));
    assert.equal(keys.length, 2);
    assert.equal(keys[0] !== keys[1], isAnother);
  });

test("ok/it renews by fullcmc where it is told to", async () => {
  const house = await life();
  house.server.fault = ({ method }) =>
    method === "POST" ? { status: 500, headers: [], body: new Uint8Array() } : undefined;
  for await (const { kind } of renewing({ ...settings, operation: "fullcmc" }, house.env)) if (kind === "failed") break;
  assert.equal(house.server.asked.at(-1)?.path, "/.well-known/est/fullcmc");
});

test("ok/somebody else renewed meanwhile: it goes by what is in the storage", async () => {
  const house = await life();
  const other = await life("other");
  const events: RenewalEvent[] = [];
  const { credential } = house.env.storage;
  let replaced = false;
  const env = {
    ...house.env,
    storage: {
      ...house.env.storage,
      credential: async () => (replaced ? other.stored().identity : credential()),
    },
  };
  for await (const event of renewing(settings, env)) {
    events.push(event);
    if (replaced) break;
    replaced = true;
  }
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ["scheduled", "scheduled"],
  );
  assert.equal(house.server.requests, 0);
});

test("ok/the signal ends it while it sleeps, while it asks, and before it begins", async () => {
  const asleep = await life();
  setImmediate(() => asleep.stop.abort(new Error("stop")));
  asleep.clock.sleep = (_, signal) =>
    new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason), { once: true }));
  assert.deepEqual(
    (await live(asleep, () => undefined)).map(({ kind }) => kind),
    ["scheduled"],
  );

  const asking = await life();
  asking.server.fault = () => {
    asking.stop.abort(new Error("stop"));
    throw asking.stop.signal.reason;
  };
  assert.deepEqual(
    (await live(asking, () => undefined)).map(({ kind }) => kind),
    ["scheduled"],
  );

  const never = await life();
  never.stop.abort(new Error("stop"));
  assert.deepEqual(await live(never, () => undefined), []);
});

test("fail/nothing to renew: that is no event, because nobody could wait for it", async () => {
  const house = await life();
  const env = { ...house.env, storage: { ...house.env.storage, credential: async () => undefined } };
  await assert.rejects(renewing(settings, env).next(), { name: "EstFailed", code: "nothing-to-renew" });
});

test("fail/a certificate that the server refuses is tried again, and the sentence is the server's", async () => {
  const house = await life();
  house.server.fault = () =>
    encodeReply("simplereenroll", { kind: "refused", refusal: "certificate-revoked" }, options);
  const events = await live(house, ({ kind }) => (kind === "failed" ? "enough" : undefined));
  const failed = events.find((event) => event.kind === "failed");
  assert.ok(failed?.kind === "failed" && failed.error instanceof HatcheryError);
  assert.equal(failed.error.code, "server-refused");
  assert.ok(failed.at > house.clock.now());
});
