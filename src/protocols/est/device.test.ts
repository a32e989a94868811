import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, textOf, utf8 } from "../../core/bytes.ts";
import { type Clock, ManualClock } from "../../core/clock.ts";
import type { Connection, Peer } from "../../core/link.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { decodeWireBase64 } from "../../encoding/base64.ts";
import type { Run } from "../../knowledge/run.ts";
import { type CertificationRequest, parseCertificationRequest } from "../../pki/csr.ts";
import { encodeName } from "../../pki/name.ts";
import type { HttpRequest, HttpResponse } from "../../transport/http/message.ts";
import type { DeviceKey } from "../ports.ts";
import { enroll } from "./device.ts";
import type { EstDeviceEnv, EstDeviceSettings } from "./device-env.ts";
import {
  certify,
  commonName,
  day,
  newAuthority,
  newKey,
  now,
  peer,
  type TestAuthority,
} from "./fixtures.test-support.ts";
import { encodeReply } from "./http.ts";
import { challengePassword } from "./keys.ts";

/** What the scripted server does with one request; undefined closes the association. */
type Answer = (request: HttpRequest, csr: CertificationRequest | undefined) => Promise<HttpResponse | undefined>;

interface World {
  readonly root: TestAuthority;
  readonly settings: EstDeviceSettings;
  readonly env: EstDeviceEnv;
  readonly requests: HttpRequest[];
  /** The associations that were dialled, in order. */
  readonly associations: Peer[];
  readonly saved: { pending: DeviceKey[]; credentials: number };
  readonly ledgers: Run[];
  readonly generated: { count: number };
}

const options = { form: "auto", userAgent: undefined, run: "server-run" } as const;

/** A device whose associations lead to `answers`, one for each enrolment request; what is read is answered by itself. */
async function world(
  answers: readonly Answer[],
  settings: Partial<EstDeviceSettings> = {},
  cacerts?: Answer,
  csrattrs: Answer = async () => encodeReply("csrattrs", { kind: "csrattrs", elements: [] }, options),
): Promise<World> {
  const root = await newAuthority("root");
  const requests: HttpRequest[] = [];
  const associations: Peer[] = [];
  const saved: World["saved"] = { pending: [], credentials: 0 };
  const ledgers: Run[] = [];
  const generated = { count: 0 };
  const left = [...answers];
  const manual = new ManualClock(now);
  const clock: Clock = {
    now: () => manual.now(),
    monotonic: () => manual.monotonic(),
    sleep: async (time) => manual.advance(time),
  };
  const dial = async (): Promise<Connection<HttpRequest, HttpResponse>> => {
    const association = peer("TLSv1.3", [root.certificate], `association ${associations.length}`);
    associations.push(association);
    return {
      peer: association,
      async request(request) {
        requests.push(request);
        const isRead = request.method === "GET";
        const csr = isRead ? undefined : parseCertificationRequest(decodeWireBase64(request.body));
        const published = encodeReply(
          "cacerts",
          { kind: "certificates", certificates: [root.certificate.raw] },
          options,
        );
        const read = request.path.endsWith("/csrattrs") ? csrattrs : (cacerts ?? (async () => published));
        const answer = isRead ? read : left.shift();
        const response = await answer?.(request, csr);
        if (response === undefined) throw Object.assign(new Error("closed"), { code: "association-closed" });
        const length = ["Content-Length", `${response.body.length}`] as const;
        return { ...response, headers: [...response.headers, length] };
      },
      serve: () => assert.fail("a device asks"),
      close: async () => {},
    };
  };
  const env: EstDeviceEnv = {
    dial,
    fetchUnauthenticated: () => assert.fail("this device has an anchor"),
    clock,
    randomness: seededRandomness("device"),
    keys: {
      async generate() {
        generated.count += 1;
        return newKey();
      },
    },
    storage: {
      anchors: async () => undefined,
      saveAnchors: async () => {},
      credential: async () => undefined,
      pendingKey: async () => saved.pending.at(-1),
      savePendingKey: async (key) => void saved.pending.push(key),
      async saveCredential() {
        saved.credentials += 1;
        saved.pending.length = 0;
      },
    },
    ledger: (run) => ledgers.push(run),
  };
  const server = {
    host: "est.example",
    port: 8443,
    trust: { kind: "explicit", anchors: [root.certificate.raw] },
  } as const;
  const all = {
    server,
    subject: encodeName([commonName("SN-1")]),
    keyKind: "P-256",
    binding: "auto",
    patience: 60_000,
    ...settings,
  } as const;
  return { root, settings: all, env, requests, associations, saved, ledgers, generated };
}

/** Certifies the key of the request under `issuer`. */
function certificateBy(issuer: () => TestAuthority, notAfter = now + 90 * day): Answer {
  return async (_, csr) => {
    const signer = {
      publicKey: csr?.subjectPublicKeyInfo ?? Uint8Array.of(),
      algorithm: Uint8Array.of(),
      sign: () => Uint8Array.of(),
    };
    const certificate = await certify([commonName("SN-1")], signer, issuer(), { notBefore: now - 2 * day, notAfter });
    return encodeReply("simpleenroll", { kind: "certificates", certificates: [certificate.raw] }, options);
  };
}

const pending: Answer = async () => encodeReply("simpleenroll", { kind: "pending", retryAfter: 7 }, options);
const refused: Answer = async () => encodeReply("simpleenroll", { kind: "refused", refusal: "not-allowed" }, options);

test("ok/enrols: cacerts first, the request bound to its association, the certificate stored once", async () => {
  const house: World = await world([certificateBy(() => house.root)]);
  const credential = await enroll("simpleenroll", house.settings, house.env);
  assert.equal(credential.run, "server-run");
  assert.deepEqual(
    house.requests.map(({ method, path }) => `${method} ${path}`),
    ["GET /.well-known/est/cacerts", "GET /.well-known/est/csrattrs", "POST /.well-known/est/simpleenroll"],
  );
  const csr = parseCertificationRequest(decodeWireBase64((house.requests[2] as HttpRequest).body));
  assert.equal(csr.challengePassword, challengePassword(house.associations[0] as Peer));
  assert.deepEqual(house.saved, { pending: [], credentials: 1 });
  assert.equal(house.ledgers[0]?.outcome, "granted");
  assert.equal(house.ledgers[0]?.id, "server-run");
});

test("ok/waits as long as it is told, over a new association each time, with the same key and a new binding", async () => {
  const house: World = await world([pending, pending, certificateBy(() => house.root)]);
  const before = house.env.clock.now();
  await enroll("simpleenroll", house.settings, house.env);
  const waited = house.env.clock.now() - before;
  assert.ok(waited > 14_000 && waited <= 1.25 * 14_000, `${waited}: not less, and not all devices at once`);
  const csrs = house.requests.slice(2).map(({ body }) => parseCertificationRequest(decodeWireBase64(body)));
  assert.equal(csrs.length, 3);
  for (const [index, csr] of csrs.entries()) {
    assert.ok(equal(csr.subjectPublicKeyInfo, (csrs[0] as CertificationRequest).subjectPublicKeyInfo));
    assert.equal(csr.challengePassword, challengePassword(house.associations[index] as Peer));
  }
});

test("ok/without a binding the very same request is repeated", async () => {
  const house: World = await world([pending, certificateBy(() => house.root)], { binding: "never" });
  await enroll("simpleenroll", house.settings, house.env);
  assert.equal(textOf((house.requests[2] as HttpRequest).body), textOf((house.requests[3] as HttpRequest).body));
});

test("ok/a device that was switched off goes on with the key that it had stored", async () => {
  const house: World = await world([async () => undefined, certificateBy(() => house.root)]);
  await assert.rejects(enroll("simpleenroll", house.settings, house.env), { code: "association-closed" });
  assert.equal(house.saved.pending.length, 1);
  await enroll("simpleenroll", house.settings, house.env);
  assert.equal(house.generated.count, 1);
  assert.equal(house.saved.credentials, 1);
});

const busy =
  (headers: HttpResponse["headers"]): Answer =>
  async () => ({ status: 503, headers, body: utf8("") });

test("ok/a busy server is asked again over a new association, not before it said, and not all at once", async () => {
  const answers = [busy([["Retry-After", "8"]]), busy([]), certificateBy(() => house.root)];
  const told: (readonly [number, string])[] = [];
  const house: World = await world(answers);
  const before = house.env.clock.now();
  await enroll("simpleenroll", house.settings, {
    ...house.env,
    waiting: (seconds, _, why) => void told.push([seconds, why]),
  });
  const waited = house.env.clock.now() - before;
  assert.ok(waited >= 8_000 + 10_000 && waited <= 1.25 * (8_000 + 10_000), `${waited}`);
  assert.deepEqual(
    told.map(([, why]) => why),
    ["busy", "busy"],
  );
  assert.equal(house.associations.length, 3);
  assert.equal(house.ledgers[0]?.outcome, "granted");
});

test("fail/a server that is busy for longer than patience: at once, with what it said", async () => {
  const house: World = await world([busy([["Retry-After", "61"]])]);
  const before = house.env.clock.now();
  await assert.rejects(enroll("simpleenroll", house.settings, house.env), { code: "server-busy", message: /\(503\)/ });
  assert.equal(house.env.clock.now(), before);
});

test("fail/patience ends: the key is kept and the error says what to do", async () => {
  const house: World = await world(new Array(20).fill(pending));
  await assert.rejects(enroll("simpleenroll", house.settings, house.env), (error: unknown) => {
    assert.ok(error instanceof Error && "code" in error);
    assert.equal(error.code, "waited-too-long");
    assert.match(
      error.message,
      /server-run; ask its operator to approve it, then repeat this command: the key is kept/,
    );
    return true;
  });
  const asked = house.requests.filter(({ method }) => method === "POST").length;
  assert.ok(asked >= 7 && asked <= 9, `${asked}`);
  assert.equal(house.saved.pending.length, 1);
});

const stranger = await newAuthority("stranger");
const misbehaving: readonly (readonly [string, (house: () => World) => Answer, string])[] = [
  ["refuses", () => refused, "server-refused"],
  [
    "certifies another key",
    (house) => async () =>
      encodeReply("simpleenroll", { kind: "certificates", certificates: [house().root.certificate.raw] }, options),
    "certificate-not-ours",
  ],
  ["certifies under a stranger's CA", () => certificateBy(() => stranger), "certificate-not-trusted"],
  ["issues an expired certificate", (house) => certificateBy(() => house().root, now - day), "certificate-not-current"],
  [
    "answers with text",
    () => async () => ({ status: 200, headers: [["Content-Type", "text/plain"]], body: utf8("ok") }),
    "response-media-type",
  ],
  [
    "answers with garbage",
    () => async () => ({ status: 200, headers: [["Content-Type", "application/pkcs7-mime"]], body: utf8("AAAA") }),
    "response-malformed",
  ],
  [
    "redirects to another server",
    () => async () => ({ status: 307, headers: [["Location", "https://other.example/"]], body: utf8("") }),
    "redirected",
  ],
  [
    "answers 202 without Retry-After",
    () => async () => ({ status: 202, headers: [], body: utf8("") }),
    "retry-after-missing",
  ],
];

for (const [name, answer, code] of misbehaving) {
  test(`fail/a server that ${name}: nothing is installed, the key stays for another try`, async () => {
    const house: World = await world([answer(() => house)]);
    await assert.rejects(enroll("simpleenroll", house.settings, house.env), { name: "EstFailed", code });
    assert.equal(house.saved.credentials, 0);
    assert.equal(house.saved.pending.length, 1);
    assert.equal(house.ledgers[0]?.outcome, "failed");
  });
}

test("fail/a server whose cacerts the anchor does not vouch for gets no request and no password", async () => {
  const published: Answer = async () =>
    encodeReply("cacerts", { kind: "certificates", certificates: [stranger.certificate.raw] }, options);
  const house = await world([], { credentials: { user: "lamp", password: "correct horse" } }, published);
  await assert.rejects(enroll("simpleenroll", house.settings, house.env), { code: "anchors-not-confirmed" });
  assert.deepEqual(
    house.requests.map(({ method }) => method),
    ["GET"],
  );
});

for (const [name, change, operation, code] of [
  [
    "no anchor",
    { server: { host: "est.example", port: 443, trust: { kind: "explicit", anchors: [] } } },
    "simpleenroll",
    "anchor-missing",
  ],
  [
    "no implicit anchor",
    { server: { host: "est.example", port: 443, trust: { kind: "implicit", anchors: [] } } },
    "simpleenroll",
    "anchor-missing",
  ],
  [
    "a label that is an operation",
    {
      server: {
        host: "est.example",
        port: 443,
        label: "cacerts",
        trust: { kind: "explicit", anchors: [Uint8Array.of(0x30)] },
      },
    },
    "simpleenroll",
    "url-malformed",
  ],
  ["nothing to renew", {}, "simplereenroll", "nothing-to-renew"],
] as const) {
  test(`fail/settings: ${name}, before anything is dialled`, async () => {
    const house = await world([], change);
    await assert.rejects(enroll(operation, house.settings, house.env), { name: "EstFailed", code });
    assert.equal(house.associations.length, 0);
  });
}

test("ok/the password is sent only in the enrolment request and never stands in the ledger", async () => {
  const house: World = await world([certificateBy(() => house.root)], {
    credentials: { user: "lamp", password: "correct horse" },
  });
  await enroll("simpleenroll", house.settings, house.env);
  assert.equal(
    house.requests[0]?.headers.some(([name]) => name === "Authorization"),
    false,
  );
  const told = JSON.stringify(house.ledgers);
  assert.equal(
    told.includes("correct horse") || told.includes(Buffer.from("lamp:correct horse").toString("base64")),
    false,
  );
  assert.ok(told.includes("est.device.password"));
});
