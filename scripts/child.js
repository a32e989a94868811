// Child processes that share this process's terminal and its fate.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The project's root directory. */
export const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * Runs Node.js with `args` in the project's root; resolves with its exit code (1 when a signal ended it) and, with
 * `capture`, with what it wrote to standard output. SIGINT and SIGTERM are passed on to it.
 *
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, capture?: boolean }} options
 * @returns {Promise<{ code: number, output: string }>}
 */
export function node(args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: ["inherit", options.capture ? "pipe" : "inherit", "inherit"],
    });
    const parts = [];
    child.stdout?.on("data", (part) => parts.push(part));
    const pass = (signal) => child.kill(signal);
    process.on("SIGINT", pass);
    process.on("SIGTERM", pass);
    child.on("error", reject);
    child.on("close", (code) => {
      process.off("SIGINT", pass);
      process.off("SIGTERM", pass);
      resolve({ code: code ?? 1, output: Buffer.concat(parts).toString("utf8") });
    });
  });
}
