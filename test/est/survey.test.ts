import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { currentIdentity } from "../../src/device/index.ts";
import { contradictions, statements } from "../../src/knowledge/check.ts";
import type { Run } from "../../src/knowledge/run.ts";
import { type EstTrust, estSurvey } from "../../src/protocols/est/index.ts";
import { enrolDevice, manufactured, startService, type TestService } from "./service.ts";

let service: TestService;

before(async () => {
  service = await startService({ pskPort: 0 });
});

after(() => service.close());

/** A clock by which a pause of seconds takes a fifth of one. */
const impatient: Clock = {
  ...systemClock,
  sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 25, signal),
};

/** The run as the ledger tells it when both ends have told theirs. */
async function bothEnds(ledger: Run): Promise<Run> {
  await service.call("PUT", `/runs/${ledger.id}/device-ledger`, ledger);
  const { run } = await service.call<{ readonly run: Run }>("GET", `/runs/${ledger.id}`);
  return run;
}

/** A first enrolment by password, of a device that trusts the server by `trust`. */
async function bootstrapped(name: string, trust: EstTrust): Promise<Run> {
  await service.call("PUT", `/est-users/${name}`, { password: "correct horse", devices: name });
  const credentials = { user: name, password: "correct horse" };
  const server = { host: "127.0.0.1", port: service.port, trust };
  return bothEnds((await enrolDevice(service, "simpleenroll", name, { server, credentials })).ledger);
}

const realRuns: { readonly [variant: string]: () => Promise<Run> } = {
  async "est/idevid"() {
    await service.call("POST", "/claims", { label: "SURVEY-1" });
    const identity = await manufactured(service, "SURVEY-1");
    return bothEnds((await enrolDevice(service, "simpleenroll", "SURVEY-1", { identity })).ledger);
  },

  async "est/password"() {
    await service.call("PUT", "/est-users/survey-2", { password: "correct horse", devices: "survey-*" });
    const credentials = { user: "survey-2", password: "correct horse" };
    return bothEnds((await enrolDevice(service, "simpleenroll", "survey-2", { credentials })).ledger);
  },

  async "est/tls-psk"() {
    const { key } = await service.call<{ readonly key: string }>("PUT", "/est-psks/survey-5", { devices: "survey-5" });
    const trust = { kind: "psk", identity: "survey-5", key: Buffer.from(key, "hex") } as const;
    const server = { host: "127.0.0.1", port: service.door("psk"), trust };
    return bothEnds((await enrolDevice(service, "simpleenroll", "survey-5", { server })).ledger);
  },

  async "est/anonymous"() {
    await service.call("POST", "/rules", { verdict: "wait", match: { credential: "anonymous", protocol: "est" } });
    const { ledger } = await enrolDevice(
      service,
      "simpleenroll",
      "survey-3",
      {},
      { clock: impatient, waiting: (_, run) => void service.call("POST", `/approvals/${run}`, { state: "approved" }) },
    );
    return bothEnds(ledger);
  },

  async "est/serverkeygen"() {
    await service.call("PUT", "/ca/profiles/survey-keys", { serverKey: "P-256" });
    await service.call("POST", "/claims", { label: "SURVEY-4" });
    const identity = await manufactured(service, "SURVEY-4");
    const trust = { kind: "explicit", anchors: [service.root] } as const;
    const server = { host: "127.0.0.1", port: service.port, label: "survey-keys", trust };
    return bothEnds((await enrolDevice(service, "serverkeygen", "SURVEY-4", { server, identity })).ledger);
  },

  async "est/fullcmc"() {
    await service.call("PUT", "/ca/profiles/survey-cmc", { fullcmc: "allowed" });
    await service.call("POST", "/claims", { label: "SURVEY-6" });
    const identity = await manufactured(service, "SURVEY-6");
    const trust = { kind: "explicit", anchors: [service.root] } as const;
    const server = { host: "127.0.0.1", port: service.port, label: "survey-cmc", trust };
    return bothEnds((await enrolDevice(service, "fullcmc", "SURVEY-6", { server, identity })).ledger);
  },

  async "est/implicit"() {
    return bootstrapped("survey-7", { kind: "implicit", anchors: [service.root] });
  },

  async "est/fingerprint"() {
    return bootstrapped("survey-8", { kind: "confirm", confirm: async () => true });
  },

  async "est/fingerprint-preset"() {
    const fingerprint = createHash("sha256").update(service.root).digest();
    return bootstrapped("survey-9", { kind: "fingerprint", fingerprint });
  },

  async "est/reenroll"() {
    const identity = await currentIdentity(`${service.data}/devices/SURVEY-1`);
    assert.ok(identity);
    const renewal = { identity: { ...identity, credential: "ldevid" as const } };
    return bothEnds((await enrolDevice(service, "simplereenroll", "SURVEY-1", renewal)).ledger);
  },
};

for (const variant of estSurvey.variants.filter(({ status }) => status === "runs")) {
  test(`ok/${variant.id}: a real run confirms every declared fact, and contradicts each of their inverses`, async () => {
    const record = realRuns[variant.id];
    assert.ok(record, "a variant that runs has a run");
    const run = await record();
    assert.equal(run.variant, variant.id);
    assert.deepEqual(run.recordedBy, ["device", "coordinator"]);
    assert.deepEqual(
      contradictions(estSurvey, run).map(({ statement, found }) => `${statement.id}; found: ${found}`),
      [],
    );
    const declared = statements(estSurvey, variant.id);
    assert.ok(declared.length > 50, `${declared.length} statements`);
    for (const statement of declared) {
      assert.equal(statement.check(run).kind, "confirmed", statement.id);
      assert.ok(statement.inverses.length > 0, `${statement.id} can be inverted`);
      for (const inverse of statement.inverses) {
        assert.equal(
          inverse.check(run).kind,
          "contradicted",
          `${inverse.id}, which says the contrary of ${statement.id}`,
        );
      }
    }
  });
}

test("fail/a run that only one end recorded confirms nothing about the other end", async () => {
  await service.call("POST", "/claims", { label: "SURVEY-10" });
  const identity = await manufactured(service, "SURVEY-10");
  const { ledger } = await enrolDevice(service, "simpleenroll", "SURVEY-10", { identity });
  const { run } = await service.call<{ readonly run: Run }>("GET", `/runs/${ledger.id}`);
  const found = contradictions(estSurvey, run).map(({ statement }) => statement.id);
  assert.ok(found.includes("est.device.key held by device after: yes"));
});
