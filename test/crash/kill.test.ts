import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { Fleet } from "./fleet.ts";
import { checkKept } from "./invariants.ts";
import { finish, inDirectory, prepare } from "./operator.ts";
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
