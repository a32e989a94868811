import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { seededRandomness } from "../../src/core/randomness.ts";
import { startUp } from "../system/hatchery.ts";
import { checkFile, checkKept } from "./invariants.ts";
import { finish, inDirectory, prepare, prepareUp, whileUp } from "./operator.ts";

const seed = process.env["HATCHERY_SEED"] ?? "1";
const rounds = process.env["CI"] === "true" ? 60 : 15;

describe(`crash: the disk, seed ${seed}`, { concurrency: 2, timeout: 290_000 }, () => {
  test(`ok/the nth write fails, ${rounds} times`, { skip: missing("prlimit") }, async (t) => {
    await inDirectory(async (data) => {
      const fleet = await prepare(data, "n");
      const randomness = seededRandomness(seed);
      let hit = 0;
      for (let round = 0; round < rounds; ) {
        const said = await life(data, async (up, service) => {
          // Three failures of each process are lived through, the fourth one ends in kill -9.
          for (let failure = 0; failure < 4 && round < rounds; failure += 1) {
            round += 1;
            const before = fleet.received.length;
            limitFiles(service.pid, writtenUpTo(data) + (randomness.bytes(1)[0] as number) * 1_500);
            let refused = 0;
            await fleet.workUntil(up, (turnedAway) => {
              refused = turnedAway;
              return refused >= 4 || fleet.received.length > before + 40;
            });
            if (refused > 0) hit += 1;
            if (failure === 3) break;
            limitFiles(service.pid, undefined);
            checkKept(data, fleet.received);
          }
          service.kill("SIGKILL");
        });
        if (hit > 0 && round <= 4) assert.match(said, /disk I\/O error.*the store fails; devices are told/);
        checkKept(data, fleet.received);
      }
      await finish(data, fleet);
      t.diagnostic(`${hit} of ${rounds} limits were hit; ${fleet.received.length} certificates`);
      assert.ok(hit > rounds / 3);
      assert.ok(fleet.received.length > rounds, "devices were onboarded between the failures");
    });
  });

  test("ok/a full disk, freed again", { skip: missing("unshare", "-Urm", "true") }, async (t) => {
    const disk = await smallDisk(6);
    const copies = mkdtempSync(join(tmpdir(), "hatchery-full-"));
    try {
      const data = join(disk.inside, "data");
      await whileUp(
        data,
        async (up, service) => {
          const reachable = { ...up, socket: join(disk.outside, "data", "api.sock") };
          const fleet = await prepareUp(reachable, "f");
          for (let round = 0; round < 4; round += 1) {
            const enrolled = fleet.received.length;
            await fleet.workUntil(reachable, () => fleet.received.length >= enrolled + 8);
            const full = disk.fill();
            let refused = 0;
            await fleet.workUntil(reachable, (turnedAway) => {
              refused = turnedAway;
              return turnedAway >= 8;
            });
            assert.ok(refused >= 8);
            disk.free();
            t.diagnostic(`${full} bytes of ballast, ${fleet.received.length} certificates`);
          }
          await fleet.finish(reachable);
          service.kill("SIGSTOP");
          for (const name of ["hatchery.db", "hatchery.db-wal"])
            copyFileSync(join(disk.outside, "data", name), join(copies, name));
          service.kill("SIGCONT");
          assert.equal(checkKept(copies, fleet.received).unheard, 0);
          checkFile(copies);
        },
        { within: disk.enter },
      );
    } finally {
      disk.end();
      rmSync(copies, { recursive: true });
    }
  });
});

/** One life of a service that is killed in the end; resolves to what it logged. */
async function life(data: string, use: Parameters<typeof whileUp<void>>[1]): Promise<string> {
  const service = startUp(data);
  try {
    const up = await service.up;
    if (up === undefined) assert.fail(`the service did not start: ${(await service.ended).stderr}`);
    await use(up, service);
    const { signal, stderr } = await service.ended;
    assert.equal(signal, "SIGKILL", `the service ended by itself: ${stderr}`);
    return stderr;
  } finally {
    service.kill("SIGKILL");
  }
}

/** No file of the process may grow beyond `bytes`: the kernel answers with an error to the write that would, as a failing disk does. */
function limitFiles(pid: number, bytes: number | undefined): void {
  execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes ?? "unlimited"}:`]);
}

/** Where SQLite writes next is at or before the end of its log, which it fills again from the beginning. */
function writtenUpTo(data: string): number {
  return statSync(join(data, "hatchery.db-wal")).size - 5_000;
}

/** A file system in memory of a few megabytes, in a mount namespace of its own. */
async function smallDisk(megabytes: number) {
  const inside = mkdtempSync(join(tmpdir(), "hatchery-disk-"));
  const script = `mount -t tmpfs -o size=${megabytes}m none "$0" && echo mounted && exec sleep 600`;
  const holder = spawn("unshare", ["-Urm", "sh", "-c", script, inside], { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  const outside = `/proc/${holder.pid}/root${inside}`;
  const ballast = join(outside, "ballast");
  return {
    inside,
    /** The same directory for who is not in the namespace. */
    outside,
    enter: ["nsenter", "--target", String(holder.pid), "--user", "--mount", "--preserve-credentials"],
    fill() {
      const { bavail, bsize } = statfsSync(outside);
      writeFileSync(ballast, new Uint8Array(bavail * bsize));
      return bavail * bsize;
    },
    free: () => truncateSync(ballast, 0),
    end() {
      holder.kill("SIGKILL");
      if (existsSync(inside)) rmSync(inside, { recursive: true });
    },
  };
}

/** What to say when a command cannot be run here; CI runs everything. */
function missing(command: string, ...args: readonly string[]): string | false {
  if (process.env["CI"] === "true") return false;
  try {
    execFileSync(command, args.length === 0 ? ["--version"] : args, { stdio: "ignore" });
    return false;
  } catch {
    return `${command} ${args.join(" ")} does not work here`;
  }
}
