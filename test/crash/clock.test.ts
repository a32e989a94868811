import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import type { Fleet } from "./fleet.ts";
import { checkKept } from "./invariants.ts";
import { finish, inDirectory, prepareUp, whileUp } from "./operator.ts";

const tenYears = 3653 * 24 * 3600 * 1000;

describe("crash: the clock", { timeout: 120_000 }, () => {
  test("ok/jumps of ten years, there and back: nothing is lost, and nothing certified at the wrong time", async () => {
    await inDirectory(async (data) => {
      const jumps = [tenYears, -tenYears, -tenYears, tenYears];
      const options = {
        preload: new URL("clock-preload.ts", import.meta.url),
        env: { HATCHERY_TEST_JUMPS: jumps.join() },
      };
      let fleet: Fleet | undefined;
      await whileUp(
        data,
        async (up, service) => {
          fleet = await prepareUp(up, "t");
          const { received } = fleet;
          const enrolSome = async () => {
            const before = received.length;
            await fleet?.workUntil(up, () => received.length >= before + 8);
            checkKept(data, received);
          };
          await enrolSome();
          for (const wrong of ["ten years ahead", "ten years behind"]) {
            const { length } = received;
            service.kill("SIGUSR2");
            // IDevIDs and earlier certificates do not hold at that time, nor does the CA.
            await fleet.workUntil(up, (turnedAway) => turnedAway >= 16, [503, 401]);
            assert.equal(received.length, length, `nothing is certified ${wrong}`);
            service.kill("SIGUSR2");
            await enrolSome();
          }
        },
        options,
      );
      assert.ok(fleet);
      await finish(data, fleet);
      for (const [notBefore, notAfter] of validities(data)) {
        assert.ok(Math.abs(notBefore - Date.now()) < tenYears / 100);
        assert.ok(notAfter > Date.now() && notAfter < Date.now() + tenYears);
      }
    });
  });
});

function validities(data: string): readonly (readonly [notBefore: number, notAfter: number])[] {
  const database = new DatabaseSync(join(data, "hatchery.db"), { readOnly: true });
  try {
    const rows = database.prepare("select not_before, not_after from certificates where tenant = 'default'").all();
    assert.ok(rows.length > 0);
    return rows.map(({ not_before, not_after }) => [Number(not_before), Number(not_after)]);
  } finally {
    database.close();
  }
}
