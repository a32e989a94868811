import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "../../core/clock.ts";
import { seededRandomness } from "../../core/randomness.ts";
import { Pkcs11Error } from "../../pkcs11/index.ts";
import { StoreError, type StoreErrorCode } from "../../store/errors.ts";
import type { Approval } from "../../store/records.ts";
import { openSqliteStore } from "../../store/sqlite.ts";
import { ServiceError } from "../errors.ts";
import { unsealed } from "../vault/fixtures.test-support.ts";
import { createApi } from "./index.ts";

const tenant = "default";
const base = `/api/v1/tenants/${tenant}`;

const unused = () => assert.fail("no key is needed");

async function house(failure?: Error) {
  const clock = new ManualClock(1_000);
  const store = await openSqliteStore(":memory:", { clock });
  await store.commit([
    store.tenants.ensure({ tenant, created: 1 }),
    store.policy.addAnchor({
      tenant,
      id: "a1",
      name: "acme",
      purpose: "manufacturer",
      certificate: Uint8Array.of(0x30, 0),
      added: 1,
    }),
  ]);
  const failures: unknown[] = [];
  const api = await createApi(
    {
      store,
      clock,
      randomness: seededRandomness("api"),
      surveys: [],
      auditHeads: { noted: () => undefined },
      rekeying: { begin: () => assert.fail("no vault"), status: () => assert.fail("no vault") },
      status: () => ({
        version: "1.2.3",
        started: 0,
        data: "/srv",
        database: "/srv/hatchery.db",
        listeners: [],
        publication: "http://a",
      }),
      requireTenant(asked) {
        if (failure !== undefined) throw failure;
        if (asked !== tenant) throw new ServiceError("not-found", `there is no tenant ${asked}`);
      },
      authority: () => assert.fail("no CA"),
      authorityChanged: () => assert.fail("no CA"),
      upstream: () => assert.fail("no CA"),
      names: () => assert.fail("no CA"),
      keys: { generate: unused, keep: unused, signer: unused },
      vault: unsealed,
      pskChanged: async () => {},
      removeDemo: async () => {},
    },
    (error) => failures.push(error),
  );
  return {
    api,
    failures,
    store,
    clock,
    async call(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: object) {
      const response = await api.inject({
        method,
        url: `${base}${path}`,
        ...(body === undefined ? {} : { payload: body }),
      });
      assert.deepEqual(failures, []);
      return { status: response.statusCode, body: response.json() };
    },
    async wait(count: number, from = 0) {
      const ids = Array.from({ length: count }, (_, index) => `approval-${from + index}`);
      await store.commit(ids.map((id) => store.approvals.insert(approval(id))));
    },
  };
}

function approval(id: string): Approval {
  return {
    tenant,
    id,
    protocol: "est",
    subject: `session of ${id}`,
    evidence: { name: id },
    state: "pending",
    run: `run of ${id}`,
    created: 1,
  };
}

const run = {
  id: "r1",
  protocol: "est",
  variant: "est/idevid",
  started: 1,
  outcome: "granted",
  reason: "claimed",
  link: "none",
  recordedBy: ["device"],
  events: [],
  omitted: 0,
};

for (const [what, method, path, body] of [
  ["a misspelt condition", "POST", "/rules", { verdict: "allow", match: { serail: "SN-1" } }],
  ["an empty serial number", "POST", "/rules", { verdict: "allow", match: { serial: "" } }],
  ["an empty issuer", "POST", "/rules", { verdict: "allow", match: { issuer: "" } }],
  ["an empty protocol", "POST", "/rules", { verdict: "allow", match: { protocol: "" } }],
  ["a condition outside the match", "POST", "/rules", { verdict: "allow", match: {}, serial: "SN-1" }],
  ["a misspelt field of an anchor", "POST", "/anchors", { name: "acme", pem: "x", purpsoe: "x" }],
  ["a misspelt issuer of a claim", "POST", "/claims", { label: "SN-1", isuer: "acme" }],
  ["a misspelt field of a user", "PUT", "/est-users/lamp", { password: "correct horse", devices: "*", device: "x" }],
  ["a reason for a decision", "POST", "/approvals/a", { state: "denied", reason: "x" }],
  ["a decision on all that approves", "POST", "/approvals", { state: "approved", all: true }],
  ["a decision on all that does not say so", "POST", "/approvals", { state: "denied" }],
  ["a field that no ledger has", "PUT", "/runs/r1/device-ledger", { ...run, outcmoe: "granted" }],
] as const)
  test(`fail/body: ${what}`, async () => {
    const { store, call } = await house();
    const { status, body: answer } = await call(method, path, body);
    assert.deepEqual([status, answer.error.code], [400, "invalid-request"]);
    assert.deepEqual((await store.policy.rules(tenant, { limit: 10 })).items, []);
  });

for (const code of ["store-unreachable", "store-unsuitable", "commit-unknown", "store-closed"] as const)
  test(`fail/the store: ${code} is told to who asks, and to the log`, async () => {
    const failure = new StoreError(code, "the sentence");
    const { api, failures } = await house(failure);
    const response = await api.inject(`${base}/rules`);
    assert.deepEqual([response.statusCode, response.json()], [503, { error: { code, message: "the sentence" } }]);
    assert.deepEqual(failures, [failure]);
  });

for (const [code, status] of [
  ["hsm-module", 503],
  ["hsm-token-missing", 503],
  ["hsm-pin-wrong", 503],
  ["hsm-pin-locked", 503],
  ["hsm-failed", 503],
  ["hsm-timeout", 503],
  ["hsm-crashed", 503],
  ["hsm-key-missing", 404],
  ["hsm-refused", 409],
] as const)
  test(`fail/the token: ${code} is told to who asks`, async () => {
    const { api } = await house(new Pkcs11Error(code, "the sentence"));
    const response = await api.inject(`${base}/rules`);
    assert.deepEqual([response.statusCode, response.json()], [status, { error: { code, message: "the sentence" } }]);
  });

test("ok/status: nothing is said of a database that answers", async () => {
  const { api } = await house();
  const { databaseProblem, database } = (await api.inject("/api/v1/status")).json();
  assert.deepEqual([databaseProblem, database], [undefined, "/srv/hatchery.db"]);
});

test("fail/status: the database fails, or does not answer at all, and is well again", async () => {
  const { api, store, clock } = await house();
  const { list } = store.vaultKeys;
  const problem = async () => (await api.inject("/api/v1/status")).json().databaseProblem;
  const code: StoreErrorCode = "store-unreachable";
  Object.assign(store.vaultKeys, { list: () => Promise.reject(new StoreError(code, "the sentence")) });
  assert.equal(await problem(), "the sentence");
  Object.assign(store.vaultKeys, {
    list() {
      setImmediate(() => clock.advance(2_000));
      return new Promise(() => {});
    },
  });
  assert.equal(await problem(), "it has not answered for 2 seconds");
  Object.assign(store.vaultKeys, { list });
  assert.equal(await problem(), undefined);
});

test("ok/rules: added and listed, also one that a former version let through", async () => {
  const { store, call } = await house();
  await store.commit([
    store.policy.appendRule({ tenant, id: "old", verdict: "deny", match: { serial: "" }, created: 1 }),
  ]);
  const match = { issuer: "acme", serial: "SN-*", credential: "idevid", protocol: "est" };
  assert.equal((await call("POST", "/rules", { verdict: "allow", match })).status, 200);
  const { body } = await call("GET", "/rules");
  assert.deepEqual(
    body.items.map((rule: { readonly match: object }) => rule.match),
    [{ serial: "" }, match],
  );
});

test("ok/claims: with the issuer that has to vouch for the device, which is shown", async () => {
  const { call } = await house();
  assert.equal((await call("POST", "/claims", { label: "SN-1", issuer: "acme" })).status, 200);
  assert.equal((await call("POST", "/claims", { label: "SN-2" })).status, 200);
  const identities = async (serial: string) => (await call("GET", `/devices/${serial}`)).body.identities;
  assert.deepEqual(await identities("SN-1"), [{ kind: "serial", value: "SN-1", provenBy: "claimed", issuer: "acme" }]);
  assert.deepEqual(await identities("SN-2"), [{ kind: "serial", value: "SN-2", provenBy: "claimed" }]);
});

test("fail/claims: of an issuer that nobody trusts", async () => {
  const { call } = await house();
  const { status, body } = await call("POST", "/claims", { label: "SN-1", issuer: "acne" });
  assert.deepEqual([status, body.error.code], [400, "invalid"]);
  assert.match(body.error.message, /hatchery trust list/);
});

test("ok/approvals: all that wait are denied at once, a page in one commit", async () => {
  const { store, call, wait } = await house();
  await wait(1_001);
  await store.commit([
    store.approvals.decide(tenant, "approval-7", { state: "approved", decided: 2, decidedBy: "ada" }),
  ]);
  assert.deepEqual((await call("POST", "/approvals", { state: "denied", all: true })).body, { denied: 1_000 });
  assert.equal(await store.approvals.countPending(tenant), 0);
  assert.equal((await store.approvals.find(tenant, "approval-7"))?.state, "approved");
  const denied = await store.approvals.find(tenant, "approval-1000");
  assert.deepEqual([denied?.state, denied?.decidedBy, denied?.decided], ["denied", "administrator", 1_000]);
  const { items } = await store.audit.list(tenant, "newest-first", { limit: 10 });
  assert.deepEqual(
    items.map(({ action, subject }) => [action, subject]),
    [
      ["deny-all", "500 requests"],
      ["deny-all", "500 requests"],
    ],
  );
  assert.deepEqual((await call("POST", "/approvals", { state: "denied", all: true })).body, { denied: 0 });
});

test("ok/approvals: what is decided in the meantime stays, and the rest is denied", async () => {
  const { store, call, wait } = await house();
  await wait(3);
  const commit = store.commit.bind(store);
  let meddled = false;
  Object.assign(store, {
    async commit(writes: Parameters<typeof commit>[0]) {
      if (!meddled) {
        meddled = true;
        await commit([
          store.approvals.decide(tenant, "approval-1", { state: "approved", decided: 2, decidedBy: "ada" }),
        ]);
      }
      await commit(writes);
    },
  });
  assert.deepEqual((await call("POST", "/approvals", { state: "denied", all: true })).body, { denied: 2 });
  assert.equal((await store.approvals.find(tenant, "approval-1"))?.state, "approved");
});

test("fail/approvals: a decision on what is not pending any more", async () => {
  const { store, call, wait } = await house();
  await wait(1);
  await store.commit([store.approvals.withdraw(tenant, "approval-0")]);
  const { status, body } = await call("POST", "/approvals/approval-0", { state: "approved" });
  assert.deepEqual([status, body.error.code, body.error.message], [409, "conflict", "approval-0 is expired already"]);
});
