import assert from "node:assert/strict";
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
  await assert.rejects(runHook(slow, {}, signal, 50), { code: "hook-failed", message: /was ended by SIGTERM/ });
  const stop = new AbortController();
  setImmediate(() => stop.abort());
  await assert.rejects(runHook(slow, {}, stop.signal), { code: "hook-failed" });
});
