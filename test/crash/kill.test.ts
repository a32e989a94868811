import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { equal } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/core/clock.ts";
import { systemRandomness } from "../../src/core/randomness.ts";
import { decodePem, encodePem } from "../../src/encoding/pem.ts";
import { openFactory } from "../../src/lab/factory.ts";
import { requestUnix } from "../../src/transport/http/unix.ts";
import { startUp, type Up } from "../system/hatchery.ts";
import { type Fleet, fleetOf } from "./fleet.ts";
import { checkFile, checkKept } from "./invariants.ts";
import { type Kill, killsOf, points, startDoomed } from "./points.ts";

/** A failure is played again with the seed that stands in the name of its test: HATCHERY_SEED=... */
const seed = process.env["HATCHERY_SEED"] ?? "1";
const rounds = process.env["CI"] === "true" ? 200 : 40;

describe(`crash: kill -9 of the service, seed ${seed}`, { concurrency: 2, timeout: 290_000 }, () => {
  for (const half of ["a", "b"])
    test(`ok/nothing is lost and nothing granted twice in ${rounds / 2} rounds, half ${half}`, async (t) => {
      await inDirectory(async (data) => {
        const fleet = await prepare(data, half);
        const kills = killsOf(`${seed}/${half}`, rounds / 2);
        let lostReplies = 0;
        for (const kill of kills) {
          await round(data, fleet, kill);
          lostReplies += checkKept(data, fleet.received).unheard;
        }
        await finish(data, fleet);
        summarize(t, kills, fleet, lostReplies);
        // Without these the kills missed what they are meant to hit.
        assert.ok(fleet.received.length > rounds / 2, "devices were onboarded between the kills");
        assert.ok(lostReplies > 0, "some certificate was granted and its reply lost");
      });
    });

  test("ok/a first start that is killed again and again, a commit further each time, is made good", async (t) => {
    await inDirectory(async (data) => {
      let kills = 0;
      while (await diesAtStart(data, { point: points[kills % 2] ?? points[0], nth: 1 + Math.floor(kills / 2) }))
        kills += 1;
      t.diagnostic(`killed ${kills} times before it was up`);
      assert.ok(kills >= 8, "a first start makes several commits");
      const fleet = await prepare(data, "first");
      await round(data, fleet, { point: "hatchery:reply:after", nth: 12 });
      checkKept(data, fleet.received);
      await finish(data, fleet);
      assert.ok(fleet.received.length > 0, "devices are onboarded after all");
    });
  });
});

/** One life of the service: devices work until it dies where it shall. */
async function round(data: string, fleet: Fleet, kill: Kill): Promise<void> {
  const service = startDoomed(data, kill);
  try {
    const up = await service.up;
    if (up !== undefined) await fleet.workUntilKilled(up);
    const { signal, stderr } = await service.ended;
    assert.equal(signal, "SIGKILL", `the service ended by itself: ${stderr}`);
  } finally {
    service.kill("SIGKILL");
  }
}

/** Whether the service was killed before it was up; it is ended otherwise. */
async function diesAtStart(data: string, kill: Kill): Promise<boolean> {
  const service = startDoomed(data, kill);
  const up = await service.up;
  service.kill("SIGTERM");
  const { code, signal, stderr } = await service.ended;
  if (up === undefined) assert.equal(signal, "SIGKILL", `the service ended by itself: ${stderr}`);
  else assert.equal(code, 0, stderr);
  return up === undefined;
}

/** A service whose operator trusts a factory and lets devices without a credential wait for a person. */
async function prepare(data: string, prefix: string): Promise<Fleet> {
  const factory = await openFactory("Acme", systemClock, systemRandomness);
  return whileUp(data, async (up) => {
    const anchor = encodePem("CERTIFICATE", factory.certificate);
    await call(up, "POST", "/anchors", { name: "acme", pem: anchor });
    await call(up, "POST", "/rules", { verdict: "allow", match: { issuer: "acme" } });
    await call(up, "POST", "/rules", { verdict: "wait", match: { credential: "anonymous" } });
    const { root } = (await call(up, "GET", "/ca")) as { readonly root: string };
    const [certificate] = decodePem(root);
    assert.ok(certificate);
    return fleetOf(factory, certificate.bytes, prefix);
  });
}

/** Every device that was begun comes to its end, and every certificate is given out again as it was. */
async function finish(data: string, fleet: Fleet): Promise<void> {
  await whileUp(data, async (up) => {
    await fleet.finish(up);
    const before = checkKept(data, fleet.received);
    assert.equal(before.unheard, 0, "every certificate in the store is in the hands of its device");
    for (const received of fleet.received) {
      const again = await fleet.askAgain(up, received);
      assert.ok(equal(again, received.certificate), `${received.name} gets the same answer to the same request`);
    }
    assert.deepEqual(checkKept(data, fleet.received), before, "asking again grants nothing");
  });
  checkFile(data);
}

async function whileUp<T>(data: string, use: (up: Up) => Promise<T>): Promise<T> {
  const service = startUp(data);
  try {
    const up = await service.up;
    if (up === undefined) assert.fail(`the service did not start: ${(await service.ended).stderr}`);
    const result = await use(up);
    service.kill("SIGTERM");
    assert.equal((await service.ended).code, 0);
    return result;
  } finally {
    service.kill("SIGKILL");
  }
}

async function call(up: Up, method: string, path: string, body?: unknown): Promise<unknown> {
  const request = { method, path: `/api/v1/tenants/default${path}`, ...(body === undefined ? {} : { body }) };
  const { status, body: answer } = await requestUnix(up.socket, request);
  assert.equal(status, 200, JSON.stringify(answer));
  return answer;
}

async function inDirectory(use: (data: string) => Promise<void>): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "hatchery-crash-"));
  try {
    await use(join(parent, "data"));
  } finally {
    await rm(parent, { recursive: true });
  }
}

function summarize(
  t: TestContext,
  kills: readonly Kill[],
  { received, interrupted }: Fleet,
  lostReplies: number,
): void {
  const byPoint = points.map((point) => {
    const count = kills.filter((kill) => kill.point === point).length;
    return `${count} at ${point.replace("hatchery:", "")}`;
  });
  t.diagnostic(
    `${kills.length} kills (${byPoint.join(", ")}); ${received.length} certificates, ` +
      `${interrupted} enrolments interrupted, ${lostReplies} replies lost after their grant`,
  );
}
