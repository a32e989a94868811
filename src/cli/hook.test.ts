import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runHook } from "./hook.ts";

let directory = "";
const signal = new AbortController().signal;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "hatchery-hook-"));
});

after(() => rm(directory, { recursive: true }));

async function script(name: string, text: string): Promise<string> {
  const file = join(directory, name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
  return file;
}

test("ok/it gets the variables, no arguments, and not the password", async () => {
  process.env["HATCHERY_PASSWORD"] = "correct horse";
  const told = join(directory, "told");
  try {
    await runHook(
      await script("good; $(x)", 'echo "$# $HATCHERY_CERT [$HATCHERY_PASSWORD]" > "$TOLD"'),
      {
        HATCHERY_CERT: "a b; c",
        TOLD: told,
      },
      signal,
    );
  } finally {
    delete process.env["HATCHERY_PASSWORD"];
  }
  assert.equal(await readFile(told, "utf8"), "0 a b; c []\n");
});

for (const [name, text, message] of [
  ["ends with an error", "exit 3", /ended with 3$/],
  ["is killed", "kill -9 $$", /was ended by SIGKILL$/],
] as const)
  test(`fail/a program that ${name}`, async () => {
    await assert.rejects(runHook(await script("bad", text), {}, signal), { code: "hook-failed", message });
  });

test("fail/a program that is not there, or cannot be run", async () => {
  const file = join(directory, "text");
  await writeFile(file, "no program");
  for (const program of [join(directory, "missing"), file])
    await assert.rejects(runHook(program, {}, signal), { code: "hook-failed", message: /could not be run/ });
});

test("fail/a program that takes too long, and one that the signal ends", async () => {
  const slow = await script("slow", "exec sleep 60");
  await assert.rejects(runHook(slow, {}, signal, { milliseconds: 50 }), {
    code: "hook-failed",
    message: /took longer than 0\.05 s, and was ended$/,
  });
  const stop = new AbortController();
  setImmediate(() => stop.abort());
  await assert.rejects(runHook(slow, {}, stop.signal), { code: "hook-failed", message: /was ended/ });
  await assert.rejects(runHook(slow, {}, stop.signal), { code: "hook-failed", message: /was not run/ });
});

for (const [name, text] of [
  ["that ignores SIGTERM", "sleep 60"],
  ["that is waited for by one that does not", "sleep 60 & trap - TERM; wait"],
] as const)
  test(`fail/a program ${name} is ended all the same, with what it has started`, async () => {
    const deaf = await script("deaf", `trap '' TERM\nps -o pgid= -p $$ > "$TOLD"\n${text}\nsleep 60`);
    const told = join(directory, `told ${name}`);
    const stop = new AbortController();
    const running = runHook(deaf, { TOLD: told }, stop.signal, { grace: 50 });
    await until(async () => (await readFile(told, "utf8").catch(() => "")).endsWith("\n"));
    stop.abort();
    await assert.rejects(running, { code: "hook-failed", message: /was ended/ });
    const group = Number(await readFile(told, "utf8"));
    assert.ok(group > 1 && group !== process.pid);
    await until(() => !isAlive(group));
  });

/** Nothing tells when a process of others has come so far, so it is asked until it has. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

/** A zombie has ended; when it is buried is up to the machine. */
function isAlive(group: number): boolean {
  const lines = execFileSync("ps", ["-eo", "pgid=,stat="], { encoding: "utf8" }).split("\n");
  return lines.some((line) => new RegExp(`^ *${group} +[^Z]`).test(line));
}
