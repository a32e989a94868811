import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { HatcheryError, messageOf } from "../../src/core/errors.ts";

/** A PostgreSQL server of its own in a temporary directory; the system's one is left alone. */
export interface PostgresServer {
  readonly port: number;
  /** Directory of the server's Unix socket. */
  readonly socket: string;
  readonly password: string;
  /** The URL of `database`, with the superuser's name and password, over TCP through `port`. */
  url(database: string, port?: number): string;
  /** Makes an empty database; returns its name. */
  create(name: string, options?: string): Promise<string>;
  /** Runs `sql` in `database` as the superuser. */
  query<Row>(database: string, sql: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Shows itself with this certificate and key, both in PEM, to clients that ask for TLS. */
  useTls(certificate: string, key: string): Promise<void>;
  /** `fast` ends sessions in an orderly way; `immediate` is a crash: the next start recovers from the log. */
  stop(mode: "fast" | "immediate"): Promise<void>;
  start(): Promise<void>;
  /** Ends the server and removes all that it wrote. */
  remove(): Promise<void>;
}

/** Makes and starts a server with its usual settings, those of durability included; throws `not-installed`. */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = programDirectory();
  const directory = mkdtempSync(join(tmpdir(), "hatchery-postgres-"));
  // The server refuses to run as root.
  const identity = process.getuid?.() === 0 ? unprivileged() : undefined;
  const passwordFile = join(directory, "password");
  const password = readFileSync("/proc/sys/kernel/random/uuid", "utf8").trim();
  writeFileSync(passwordFile, password);
  if (identity !== undefined) for (const path of [directory, passwordFile]) chownSync(path, identity.uid, identity.gid);
  const data = join(directory, "data");
  const port = await freePort();
  let server: ChildProcess | undefined;

  const run = async (program: string, args: readonly string[]) => {
    const child = spawn(join(programs, program), args, {
      ...identity,
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
    const [code] = await once(child, "close");
    if (code !== 0) throw new HatcheryError("command-failed", `${program} ended with code ${code}: ${said}`);
  };

  await run("initdb", [
    ...["-D", data, "-U", superuser, "-E", "UTF8", "--no-locale", "--no-sync"],
    ...["-A", "scram-sha-256", `--pwfile=${passwordFile}`],
  ]);

  const url = (database: string, through = port) =>
    `postgres://${superuser}:${password}@127.0.0.1:${through}/${database}`;

  const query = async <Row>(database: string, sql: string, values: readonly unknown[] = []) => {
    const client = new Client({ connectionString: url(database) });
    client.on("error", () => {});
    await client.connect();
    try {
      return (await client.query(sql, [...values])).rows as Row[];
    } finally {
      await client.end();
    }
  };

  const start = async () => {
    const settings = { port, unix_socket_directories: directory, listen_addresses: "127.0.0.1", fsync: "on" };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    server = spawn(join(programs, "postgres"), ["-D", data, ...options], {
      ...identity,
      cwd: directory,
      stdio: "ignore",
    });
    running.add(server);
    for (const deadline = Date.now() + longestStart; ; ) {
      try {
        await query("postgres", "select 1");
        return;
      } catch (cause) {
        if (Date.now() > deadline || server.exitCode !== null)
          throw new HatcheryError("command-failed", `postgres did not start: ${messageOf(cause)}`, { cause });
        await delay(startPoll);
      }
    }
  };

  const stop = async (mode: "fast" | "immediate") => {
    if (server === undefined) return;
    const ended = once(server, "exit");
    server.kill(mode === "fast" ? "SIGINT" : "SIGQUIT");
    await ended;
    running.delete(server);
    server = undefined;
  };

  await start();
  return {
    port,
    socket: directory,
    password,
    url,
    query,
    start,
    stop,
    async useTls(certificate, key) {
      for (const [name, text] of [["server.crt", certificate] as const, ["server.key", key] as const]) {
        const path = join(data, name);
        writeFileSync(path, text, { mode: 0o600 });
        if (identity !== undefined) chownSync(path, identity.uid, identity.gid);
      }
      await query("postgres", "alter system set ssl = on");
      await stop("fast");
      await start();
    },
    async create(name, options = "") {
      await query("postgres", `create database ${name} ${options}`);
      return name;
    },
    async remove() {
      await stop("immediate");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Where Debian keeps the programs of the newest version, or where PATH finds them; throws `not-installed`. */
export function programDirectory(): string {
  const debian = globSync("/usr/lib/postgresql/*/bin").sort((a, b) => versionIn(a) - versionIn(b));
  const path = (process.env["PATH"] ?? "").split(":");
  const found = [...path, ...debian].findLast(
    (directory) => existsSync(join(directory, "initdb")) && existsSync(join(directory, "postgres")),
  );
  if (found !== undefined) return found;
  throw new HatcheryError("not-installed", "initdb and postgres are not there; install Debian's package postgresql");
}

function versionIn(path: string): number {
  return Number(/\/(\d+)\/bin$/.exec(path)?.[1] ?? 0);
}

/** Debian's user of the server, or nobody. */
function unprivileged(): { readonly uid: number; readonly gid: number } {
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const [, , uid, gid] = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody") ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const superuser = "hatchery";
const longestStart = 30_000;
const startPoll = 50;

/** What a failed test has left running ends with its process. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGQUIT");
});
