import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { after, before, test } from "node:test";
import { hex, utf8 } from "../../src/core/bytes.ts";
import { parseCertificate } from "../../src/pki/certificate.ts";
import { formatName } from "../../src/pki/name.ts";
import { encodeDigest } from "../../src/protocols/est/http-authorization.ts";
import type { EstRefusal } from "../../src/protocols/est/index.ts";
import { commonName, craftedRequest, newSigner, serialNumber } from "./crafted.ts";
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
import { makeStrangers, type Strangers } from "./strangers.ts";

/** HTTP authentication over real sockets to one real service, by itself and together with certificates. */

let service: TestService;
let other: TestService;
let known: Strangers;

const password = "correct horse battery";
const line = { user: "line", password };
const libest = { user: "libest", password };
const path = "/.well-known/est/simpleenroll";
const toEnrol = { method: "POST", path };

before(async () => {
  [service, other] = await Promise.all([startService(), startService()]);
  known = await makeStrangers(service);
  for (const each of [service, other])
    await each.call("PUT", "/est-users/line", { password, devices: "line-*", digest: "sha-256" });
  await service.call("PUT", "/est-users/libest", { password, devices: "*", digest: "md5" });
  await service.call("PUT", "/est-users/plain", { password, devices: "line-*" });
});

after(async () => {
  await service.close();
  await other.close();
});

async function post(fields: readonly string[] = [], name = "line-1", signer = newSigner()): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject: commonName(name), signer }), fields);
}

/** The challenge of one algorithm in a 401. */
interface Offer {
  readonly kind: "digest";
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: "SHA-256" | "MD5";
  readonly stale: boolean;
}

function offered(answer: RawAnswer, algorithm: Offer["algorithm"] = "SHA-256"): Offer {
  assert.equal(answer.status, 401, answer.text);
  const challenge = new RegExp(
    `Digest realm="est", qop="auth", algorithm=${algorithm}, nonce="([^"]+)"([^,]*, charset=UTF-8(, stale=true)?)`,
  );
  const [, nonce = "", , stale] = challenge.exec(answer.field("www-authenticate") ?? "") ?? assert.fail("no Digest");
  return { kind: "digest", realm: "est", nonce, algorithm, stale: stale !== undefined };
}

const challenge = async (from = service, algorithm?: Offer["algorithm"]) =>
  offered(await ask(from, await post()), algorithm);

const digest = (offer: Offer, user = line, count = 1, request = toEnrol) =>
  `Authorization: ${encodeDigest(user, offer, request, count, "c0ffee")}`;

async function newestRefusal(): Promise<{ readonly id: string; readonly reason: string } | undefined> {
  const { items } = await service.call<{ readonly items: readonly { id: string; reason: string }[] }>(
    "GET",
    "/runs?outcome=refused&limit=1",
  );
  return items[0];
}

const nameIn = (answer: RawAnswer) => formatName(parseCertificate(certificateIn(answer)).subject);

test("ok/a 401 offers the strongest first, each in a field of its own", async () => {
  const socket = await dial(service);
  socket.write(await post());
  const text = await new Promise<string>((resolve) => {
    socket.once("data", (chunk) => resolve(chunk.toString("latin1")));
  });
  socket.destroy();
  const fields = text.split("\r\n").filter((each) => each.startsWith("WWW-Authenticate: "));
  assert.deepEqual(
    fields.map((each) => each.replace(/nonce="[\w-]{43}"/, "nonce")),
    [
      'WWW-Authenticate: Digest realm="est", qop="auth", algorithm=SHA-256, nonce, charset=UTF-8',
      'WWW-Authenticate: Digest realm="est", qop="auth", algorithm=MD5, nonce, charset=UTF-8',
      'WWW-Authenticate: Basic realm="est", charset="UTF-8"',
    ],
  );
});

test("ok/MD5 is offered only where a user has it, and Digest only where one has that", async () => {
  const answer = await ask(other, await post());
  assert.match(answer.field("www-authenticate") ?? "", /^Digest .*SHA-256, nonce="[^"]+", charset=UTF-8, Basic /);
  await other.call("PUT", "/est-users/line", { password, devices: "line-*" });
  const deadline = Date.now() + 5_000;
  let field: string | undefined;
  do field = (await ask(other, await post())).field("www-authenticate");
  while (field !== 'Basic realm="est", charset="UTF-8"' && Date.now() < deadline);
  assert.equal(field, 'Basic realm="est", charset="UTF-8"');
  await other.call("PUT", "/est-users/line", { password, devices: "line-*", digest: "sha-256" });
});

test("ok/Digest with SHA-256, and the same nonce again with the next count", async () => {
  const offer = await challenge();
  assert.equal(nameIn(await ask(service, await post([digest(offer)]))), "CN=line-1");
  assert.equal(nameIn(await ask(service, await post([digest(offer, line, 2)], "line-2"))), "CN=line-2");
});

test("ok/Digest with MD5 for who was given it", async () => {
  const offer = await challenge(service, "MD5");
  assert.equal(nameIn(await ask(service, await post([digest(offer, libest)], "any-1"))), "CN=any-1");
});

test("ok/a nonce outlives a restart: its secret is in the store", async () => {
  const offer = await challenge();
  await service.restart();
  certificateIn(await ask(service, await post([digest(offer)], "line-3")));
});

test("ok/Digest beside Basic: both prove the same password, and nothing of it is in the ledger", async () => {
  const answer = await ask(service, await post([digest(await challenge())], "line-4"));
  certificateIn(await ask(service, await post([basic("line", password)], "line-5")));
  const { run } = await service.call<{ readonly run: unknown }>("GET", `/runs/${answer.field("hatchery-run")}`);
  const text = JSON.stringify(run);
  const secret = hash("sha256", utf8(`line:est:${password}`), "hex");
  for (const hidden of [password, secret, Buffer.from(secret, "hex").toString("base64")])
    assert.ok(!text.includes(hidden));
});

/** Digests that are wrong in one way each: the reason in the run, and how the field differs from a good one. */
const wrong: Readonly<Record<string, readonly [code: EstRefusal, field: (offer: Offer) => string | Promise<string>]>> =
  {
    "other password": ["credentials-wrong", (offer) => digest(offer, { ...line, password: "wrong horse battery" })],
    "unknown user": ["credentials-wrong", (offer) => digest(offer, { ...line, user: "nobody" })],
    "user without Digest": ["credentials-wrong", (offer) => digest(offer, { ...line, user: "plain" })],
    "MD5 for a user with SHA-256 alone": ["credentials-wrong", (offer) => digest({ ...offer, algorithm: "MD5" })],
    "other realm": ["credentials-wrong", (offer) => digest({ ...offer, realm: "estrealm" })],
    "other uri": ["credentials-wrong", (offer) => digest(offer, line, 1, { ...toEnrol, path: "/" })],
    "other method": ["credentials-wrong", (offer) => digest(offer, line, 1, { ...toEnrol, method: "GET" })],
    "wrong response": ["credentials-wrong", (offer) => digest(offer).replace(/response="../, 'response="zz')],
    "cut response": ["credentials-wrong", (offer) => digest(offer).replace(/response="../, 'response="')],
    "nonce of another service": ["credentials-stale", async () => digest(await challenge(other))],
    "nonce that nobody has given": ["credentials-stale", (offer) => digest({ ...offer, nonce: "AAAA" })],
    "nonce that was changed": [
      "credentials-stale",
      (offer) => digest({ ...offer, nonce: (offer.nonce.startsWith("A") ? "B" : "A") + offer.nonce.slice(1) }),
    ],
    "doubled parameters": ["credentials-malformed", (offer) => `${digest(offer)}, nc=00000001`],
    "unquoted user name": ["credentials-malformed", (offer) => digest(offer).replace('"line"', "line")],
    "hashed user name": ["credentials-malformed", (offer) => `${digest(offer)}, userhash=true`],
    "no qop": ["credentials-malformed", (offer) => digest(offer).replace("qop=auth, ", "")],
    "giant credentials": ["credentials-malformed", (offer) => `${digest(offer)}, x="${"a".repeat(4_000)}"`],
  };

const texts = new Set<string>();

for (const [name, [code, field]] of Object.entries(wrong))
  test(`fail/Digest: ${name}`, async () => {
    const before = service.contents()["certificates"];
    const answer = await ask(service, await post([await field(await challenge())]));
    const newest = await newestRefusal();
    assert.equal(newest?.reason, code);
    assert.equal(offered(answer).stale, code === "credentials-stale");
    assert.equal(answer.field("hatchery-error"), undefined);
    texts.add(answer.text.replace(newest?.id ?? "", ""));
    assert.deepEqual(service.contents()["certificates"], before);
  });

test("fail/Digest: a nonce and count that were used, on another connection too", async () => {
  const offer = await challenge();
  const request = await post([digest(offer)], "line-6");
  const socket = await dial(service);
  certificateIn(await exchange(socket, request));
  for (const answer of [await exchange(socket, request), await ask(service, request)]) {
    assert.ok(offered(answer).stale);
    assert.equal((await newestRefusal())?.reason, "credentials-stale");
    texts.add(answer.text.replace(answer.field("hatchery-run") ?? "", ""));
  }
  socket.destroy();
});

test("ok/all of these read the same", () => assert.equal(texts.size, 1, [...texts].join("")));

test("fail/Digest: ten wrong ones shut out who guesses, for the right one too", async () => {
  await service.call("PUT", "/est-users/guessed", { password, devices: "*", digest: "sha-256" });
  const guessed = { user: "guessed", password };
  for (let guess = 0; guess < 10; guess += 1) {
    const offer = await challenge();
    offered(await ask(service, await post([digest(offer, { ...guessed, password: `wrong password ${guess}` })])));
  }
  offered(await ask(service, await post([digest(await challenge(), guessed)])));
  assert.equal((await newestRefusal())?.reason, "credentials-wrong");
});

test("fail/Digest: a user that was removed, or got a new password", async () => {
  await service.call("PUT", "/est-users/gone", { password, devices: "*", digest: "sha-256" });
  const gone = { user: "gone", password };
  certificateIn(await ask(service, await post([digest(await challenge(), gone)], "gone-1")));
  await service.call("PUT", "/est-users/gone", { password: "another password", devices: "*", digest: "sha-256" });
  offered(await ask(service, await post([digest(await challenge(), gone)], "gone-2")));
  await service.call("DELETE", "/est-users/gone");
  offered(await ask(service, await post([digest(await challenge(), { ...gone, password: "another password" })])));
});

// What a client presents together: every credential has to be good (RFC 7030 3.2.3, 3.3.2), and who is held to both.

type Shown = "nothing" | "IDevID" | "earlier" | "unknown certificate";
type Word = "none" | "Basic" | "wrong Basic" | "Digest" | "wrong Digest";

const identities: { readonly [shown in Shown]: (strangers: Strangers) => RawIdentity | undefined } = {
  nothing: () => undefined,
  IDevID: ({ device }) => device,
  earlier: ({ enrolled }) => enrolled,
  "unknown certificate": ({ unknown }) => unknown,
};

const words: { readonly [word in Word]: () => Promise<readonly string[]> } = {
  none: async () => [],
  Basic: async () => [basic("libest", password)],
  "wrong Basic": async () => [basic("libest", "wrong horse battery")],
  Digest: async () => [digest(await challenge(), libest)],
  "wrong Digest": async () => [digest(await challenge(), { ...libest, password: "wrong horse battery" })],
};

const granted = "granted";
const table: { readonly [shown in Shown]: { readonly [word in Word]: EstRefusal | typeof granted } } = {
  nothing: {
    none: "credentials-missing",
    Basic: granted,
    "wrong Basic": "credentials-wrong",
    Digest: granted,
    "wrong Digest": "credentials-wrong",
  },
  IDevID: {
    none: granted,
    Basic: granted,
    "wrong Basic": "credentials-wrong",
    Digest: granted,
    "wrong Digest": "credentials-wrong",
  },
  earlier: {
    none: granted,
    Basic: granted,
    "wrong Basic": "credentials-wrong",
    Digest: granted,
    "wrong Digest": "credentials-wrong",
  },
  "unknown certificate": {
    none: "certificate-unknown",
    Basic: "certificate-unknown",
    "wrong Basic": "credentials-wrong",
    Digest: "certificate-unknown",
    "wrong Digest": "credentials-wrong",
  },
};

for (const shown of Object.keys(table) as Shown[])
  for (const word of Object.keys(table[shown]) as Word[]) {
    const expected = table[shown][word];
    test(`${expected === granted ? "ok" : "fail"}/together: ${shown} and ${word}`, async () => {
      const identity = identities[shown](known);
      // A password vouches for no device that has shown its manufacturer's certificate.
      const request = await post(await words[word](), shown === "nothing" ? `free-${word.length}` : "GOOD-1");
      const answer = await ask(service, request, identity === undefined ? {} : { identity });
      if (expected === granted) certificateIn(answer);
      else {
        assert.equal(answer.status, 401, answer.text);
        assert.equal((await newestRefusal())?.reason, expected);
      }
    });
  }

test("fail/together: a certificate and a user who may not enrol its name", async () => {
  const answer = await ask(service, await post([basic("line", password)], "GOOD-1"), { identity: known.device });
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "name-not-the-client"]);
});

test("ok/rules may demand both: the manufacturer's certificate and the password of an installer", async () => {
  const rules = [
    await service.call<{ readonly id: string }>("POST", "/rules", {
      verdict: "allow",
      match: { credential: "idevid", user: "lib*" },
    }),
    await service.call<{ readonly id: string }>("POST", "/rules", { verdict: "deny", match: { credential: "idevid" } }),
  ];
  const made = await service.factory.makeDevice("BOTH-1");
  const identity = { chain: [made.certificate], key: made.key };
  const request = async (fields: readonly string[]) =>
    enrolment(await craftedRequest({ subject: serialNumber("BOTH-1") }), fields);
  const alone = await ask(service, await request([]), { identity });
  assert.deepEqual([alone.status, alone.field("hatchery-error")], [403, "not-allowed"]);
  certificateIn(await ask(service, await request([basic("libest", password)]), { identity }));
  for (const { id } of rules) await service.call("DELETE", `/rules/${id}`);
});

test("ok/the stored secrets of Digest are sealed, and go with the user", async () => {
  const { items } = await service.call<{ readonly items: readonly { readonly name: string }[] }>("GET", "/est-users");
  assert.ok(items.some(({ name }) => name === "line"));
  const secret = hash("sha256", utf8(`line:est:${password}`), "buffer");
  const rows = service.rows("sealed_keys");
  const names = rows.map((row) => `${row["name"]}`);
  assert.ok(names.includes("est-digest-SHA-256/line") && names.includes("est-digest-MD5/libest"), names.join());
  assert.ok(!names.some((name) => name.endsWith("/gone") || name.endsWith("/plain")));
  for (const row of rows) assert.ok(!hex(row["sealed"] as Uint8Array).includes(hex(secret)));
});
