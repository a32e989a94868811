import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import type { Signer } from "../../src/crypto/signer.ts";
import type { Run } from "../../src/knowledge/run.ts";
import type { Approval } from "../../src/store/records.ts";
import { commonName, craftedRequest, newSigner, passwordAttribute } from "./crafted.ts";
import { ask, certificateIn, dial, enrolment, exchange, message, type RawAnswer } from "./raw-client.ts";
import { startService, type TestService } from "./service.ts";

/** Requests that wait for a person: devices without any credential, under a rule that says so. */

let service: TestService;

before(async () => {
  service = await startService();
  await service.call("POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
});

after(() => service.close());

async function requestOf(name: string, signer: Signer = newSigner()): Promise<Uint8Array> {
  return enrolment(await craftedRequest({ subject: commonName(name), signer }));
}

async function pending(name: string): Promise<readonly Approval[]> {
  const { items } = await service.call<{ readonly items: readonly Approval[] }>("GET", "/approvals");
  return items.filter(({ evidence }) => evidence["name"] === name);
}

async function outcomeOf(run: string): Promise<string> {
  const { summary } = await service.call<{ readonly summary: { readonly outcome: string } }>("GET", `/runs/${run}`);
  return summary.outcome;
}

/** The run of an answer that asks for patience. */
function waitingRun(answer: RawAnswer): string {
  assert.equal(answer.status, 202, answer.text);
  assert.match(answer.field("retry-after") ?? "", /^[1-9]\d{0,2}$/);
  assert.match(answer.text, /^The request waits for a decision\. Repeat it after \d+ seconds\.\n$/);
  return answer.field("hatchery-run") as string;
}

async function decide(run: string, state: "approved" | "denied"): Promise<void> {
  await service.call("POST", `/approvals/${run}`, { state });
}

const text = (answer: RawAnswer) => hex(certificateIn(answer));

test("ok/waits, asks again without a trace, is approved, gets one certificate", async () => {
  const request = await requestOf("wait-1");
  const run = waitingRun(await ask(service, request));
  const asked = await pending("wait-1");
  assert.deepEqual(
    asked.map((approval) => [approval.run, approval.state]),
    [[run, "pending"]],
  );
  const stored = service.contents();
  for (let time = 0; time < 3; time += 1) assert.equal(waitingRun(await ask(service, request)), run);
  assert.deepEqual(service.contents(), stored, "patience costs the store nothing");

  await decide(run, "approved");
  const answer = await ask(service, request);
  assert.equal(answer.field("hatchery-run"), run);
  assert.equal(await outcomeOf(run), "granted");
  const granted = service.contents();
  assert.equal(text(await ask(service, request)), text(answer));
  assert.deepEqual(service.contents(), granted);
});

test("ok/an approval is for one key: another one waits anew", async () => {
  const first = await requestOf("wait-2");
  const run = waitingRun(await ask(service, first));
  await decide(run, "approved");
  certificateIn(await ask(service, first));
  assert.deepEqual(
    service.rows("approvals").flatMap((approval) => (approval["run"] === run ? [approval["state"]] : [])),
    ["used"],
  );
  const another = waitingRun(await ask(service, await requestOf("wait-2")));
  assert.notEqual(another, run);
  assert.deepEqual(
    (await pending("wait-2")).map((approval) => approval.run),
    [another],
  );
});

test("fail/an approval of one name grants no other name to the same key", async () => {
  const signer = newSigner();
  const run = waitingRun(await ask(service, await requestOf("harmless", signer)));
  await decide(run, "approved");
  const other = await ask(service, await requestOf("important", signer));
  assert.deepEqual([other.status, other.field("hatchery-error")], [403, "waiting-under-another-name"]);
  assert.equal(await outcomeOf(run), "waiting");
  const harmless = text(await ask(service, await requestOf("harmless", signer)));
  // The same client, operation and key get the stored certificate, whatever name they ask for now.
  assert.equal(text(await ask(service, await requestOf("important-too", signer))), harmless);
  assert.equal(service.rows("devices").filter(({ name }) => `${name}`.startsWith("important")).length, 0);
});

test("ok/two requests at once are one that waits", async () => {
  const request = await requestOf("wait-3");
  const answers = await Promise.all([ask(service, request), ask(service, request)]);
  assert.equal(new Set(answers.map(waitingRun)).size, 1);
  assert.equal((await pending("wait-3")).length, 1);
});

test("ok/two that ask at once after the approval get the same certificate", async () => {
  const request = await requestOf("wait-4");
  await decide(waitingRun(await ask(service, request)), "approved");
  const answers = await Promise.all([ask(service, request), ask(service, request)]);
  assert.equal(new Set(answers.map(text)).size, 1);
  assert.equal(service.rows("certificates").filter(({ subject }) => subject === "CN=wait-4").length, 1);
});

test("ok/the service is restarted before the approval, and again before the certificate is fetched", async () => {
  const request = await requestOf("wait-5");
  const run = waitingRun(await ask(service, request));
  await service.restart();
  assert.equal(waitingRun(await ask(service, request)), run);
  await decide(run, "approved");
  await service.restart();
  const answer = await ask(service, request);
  certificateIn(answer);
  assert.equal(answer.field("hatchery-run"), run);
});

test("fail/denied once, then a new request waits anew", async () => {
  const request = await requestOf("wait-6");
  const run = waitingRun(await ask(service, request));
  await decide(run, "denied");
  const answer = await ask(service, request);
  assert.deepEqual([answer.status, answer.field("hatchery-error")], [403, "not-allowed"]);
  assert.equal(answer.field("hatchery-run"), run);
  assert.equal(await outcomeOf(run), "refused");
  const another = waitingRun(await ask(service, request));
  assert.notEqual(another, run);
  assert.equal((await pending("wait-6")).length, 1);
});

test("fail/a bad repetition is refused, costs the store nothing, and the request goes on waiting", async () => {
  const signer = newSigner();
  const run = waitingRun(await ask(service, await requestOf("wait-7", signer)));
  const attributes = [passwordAttribute("AAAAAAAAAAAAAAAA")];
  const bad = enrolment(await craftedRequest({ subject: commonName("wait-7"), signer, attributes }));
  const stored = service.contents();
  const answer = await ask(service, bad);
  assert.deepEqual([answer.status, answer.field("hatchery-run")], [401, run]);
  assert.match(answer.text, /challengePassword must hold the channel binding/);
  assert.deepEqual(service.contents(), stored);
  assert.equal(await outcomeOf(run), "waiting");
  await decide(run, "approved");
  certificateIn(await ask(service, await requestOf("wait-7", signer)));
  assert.equal(await outcomeOf(run), "granted");
});

test("fail/a stranger's words are kept short, and leave no line in the audit", async () => {
  const lines = service.rows("audit").length;
  const endless = await craftedRequest({ subject: commonName("x".repeat(40_000)), signer: newSigner() });
  const answer = await ask(service, enrolment(endless));
  assert.equal(answer.status, 403);
  const run = service.rows("runs").find(({ id }) => id === answer.field("hatchery-run"));
  assert.equal(`${run?.["label"]}`.length, 129);
  assert.ok(run !== undefined && (run["run"] as Uint8Array).length < 5_000);
  assert.equal(service.rows("audit").length, lines);
});

test("fail/the ledger of a grant keeps its decision, however often the device read before", async () => {
  await service.call("POST", "/claims", { label: "READER-1" });
  const { certificate, key } = await service.factory.makeDevice("READER-1");
  const identity = { chain: [certificate], key };
  const socket = await dial(service, { identity });
  const read = message("GET /.well-known/est/cacerts");
  for (let time = 0; time < 300; time += 1) assert.equal((await exchange(socket, read)).status, 200);
  const granted = await exchange(
    socket,
    enrolment(await craftedRequest({ subject: commonName("READER-1"), signer: newSigner() })),
  );
  socket.destroy();
  const { run } = await service.call<{ readonly run: Run }>("GET", `/runs/${granted.field("hatchery-run")}`);
  assert.equal(run.omitted, 0);
  assert.equal(run.events.filter(({ kind }) => kind === "decision").length, 1);
});
