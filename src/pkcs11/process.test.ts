import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { codeOf } from "../core/errors.ts";
import type { Question } from "./messages.ts";
import { type Pkcs11Process, pkcs11Process } from "./process.ts";

const directory = mkdtempSync(join(tmpdir(), "hatchery-pkcs11-"));
const servers: Server[] = [];
after(() => {
  for (const server of servers) server.close();
  rmSync(directory, { recursive: true });
});

const program = fileURLToPath(new URL("./fake-token.test-support.ts", import.meta.url));

/** The first question for a token that behaves as its label says, and the process that answers it, as a connection. */
function bench(token: string): { readonly opening: Question; readonly connected: Promise<Socket> } {
  const path = join(directory, String(servers.length));
  const { promise: connected, resolve } = Promise.withResolvers<Socket>();
  servers.push(
    createServer((socket) =>
      resolve(
        socket
          .on("error", () => {})
          .resume()
          .unref(),
      ),
    ).listen(path),
  );
  return { opening: { kind: "open", module: path, token, pin: "4711" }, connected };
}

const sign = (data: string): Question => ({ kind: "sign", key: { token: "works" }, data: Buffer.from(data) });
/** No test takes as long as the opening of a token may. */
const soon = { timeout: 15_000 };

async function using(token: string, use: (process: Pkcs11Process) => Promise<void>): Promise<void> {
  const process = pkcs11Process(bench(token).opening, program);
  try {
    await use(process);
  } finally {
    await process.close();
  }
}

test("ok/process: answers in the order of the questions, from one process", soon, () =>
  using("works", async (process) => {
    await process.ask(sign("first"), 10_000);
    const pid = process.pid();
    const order: string[] = [];
    const answers = ["a", "b", "c"].map(async (data) => {
      const { signature } = await process.ask(sign(data), 10_000);
      order.push(data);
      return Buffer.from(signature ?? []).toString();
    });
    assert.deepEqual(await Promise.all(answers), ["a", "b", "c"]);
    assert.deepEqual(order, ["a", "b", "c"]);
    assert.equal(process.pid(), pid);
  }),
);

test("fail/process: nobody waits longer than asked while the module hangs at its opening", soon, () =>
  using("hangs", async (process) => {
    const asked = [1, 2, 3, 4, 5, 6].map((round) => process.ask(sign("x"), 50 * round).catch(codeOf));
    assert.deepEqual(await Promise.all(asked), Array(6).fill("hsm-timeout"));
  }),
);

test("fail/process: one that hangs with a question is ended, and the next one is answered by another", soon, () =>
  using("works", async (process) => {
    await process.ask(sign("x"), 10_000);
    const pid = process.pid();
    const hung = process.ask(sign(""), 100);
    const next = process.ask(sign("y"), 10_000);
    await assert.rejects(hung, { code: "hsm-timeout", message: /within 100 ms/ });
    assert.deepEqual(Buffer.from((await next).signature ?? []), Buffer.from("y"));
    assert.notEqual(process.pid(), pid);
  }),
);

test(
  "fail/process: what waits for an opening that fails gets its error, and for a second so does the rest",
  soon,
  (t) =>
    using("is missing", async (process) => {
      const refusal = () => process.ask(sign("x"), 10_000).catch((error: unknown) => error);
      const first = await Promise.all([refusal(), refusal(), refusal()]);
      assert.equal(codeOf(first[0]), "hsm-token-missing");
      assert.equal(new Set([...first, await refusal()]).size, 1, "one process was started for all of them");
      assert.equal(process.pid(), undefined);
      const now = performance.now();
      t.mock.method(performance, "now", () => now + 1_000);
      const second = await refusal();
      assert.equal(codeOf(second), "hsm-token-missing");
      assert.notEqual(second, first[0], "another process was asked");
    }),
);

test("fail/process: a module that crashes at its opening is not loaded again for each question", soon, () =>
  using("crashes", async (process) => {
    for (let round = 0; round < 3; round += 1)
      await assert.rejects(process.ask(sign("x"), 10_000), { code: "hsm-crashed" });
    assert.equal(process.pid(), undefined);
  }),
);

test("fail/process: more than a thousand do not wait", soon, () =>
  using("hangs", async (process) => {
    const asked = Array.from({ length: 1_001 }, () => process.ask(sign("x"), 100).catch(codeOf));
    const answers = await Promise.all(asked);
    assert.equal(answers.filter((answer) => answer === "hsm-timeout").length, 1_000);
    assert.equal(answers.at(-1), "hsm-busy");
    await assert.rejects(process.ask(sign("x"), 50), { code: "hsm-timeout" }, "those who left make room");
  }),
);

test("fail/process: closing waits for no module that hangs", soon, async () => {
  const { opening, connected } = bench("hangs");
  const process = pkcs11Process(opening, program);
  const asked = [1, 2].map(() => process.ask(sign("x"), 60_000).catch(codeOf));
  const ended = once(await connected, "close");
  await process.close();
  await ended;
  assert.deepEqual(await Promise.all(asked), ["hsm-closed", "hsm-closed"]);
  await assert.rejects(process.ask(sign("x"), 60_000), { code: "hsm-closed" });
});

test("ok/process: the vendor's library gets no secrets in its environment", soon, () => {
  process.env["PGPASSWORD"] = process.env["HATCHERY_DATABASE"] = "s3cret";
  return using("shows its environment", async (process) => {
    const error = await process.ask(sign("x"), 10_000).catch((error: Error) => error);
    assert.ok(error instanceof Error);
    assert.match(error.message, /\bPATH\b/);
    assert.doesNotMatch(error.message, /PGPASSWORD|HATCHERY_/);
  }).finally(() => {
    delete process.env["PGPASSWORD"];
    delete process.env["HATCHERY_DATABASE"];
  });
});

for (const [how, end] of [
  ["ends", "SIGTERM"],
  ["is killed", "SIGKILL"],
] as const)
  test(`ok/process: a module that hangs does not outlive a service that ${how}`, soon, async () => {
    const { opening, connected } = bench("hangs");
    const script = `
      const { pkcs11Process } = await import(${JSON.stringify(new URL("./process.ts", import.meta.url).href)});
      process.once("SIGTERM", () => process.exit());
      pkcs11Process(${JSON.stringify(opening)}, ${JSON.stringify(program)}).ask({ kind: "find", key: {} }, 60_000);`;
    const service = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
    const ended = once(await connected, "close");
    service.kill(end);
    await ended;
  });
