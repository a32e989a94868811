import { readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import type { ClientConfig } from "pg";
import { codeOf, messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";
import { passwordIn } from "./postgres-passfile.ts";

/** Where the database is and how to get in. */
export interface PostgresSettings {
  /** A name, an address, or the directory of the server's Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  /** Undefined when the server is expected to let the user in without one. Never in any text. */
  readonly password: string | undefined;
  readonly ssl: NonNullable<ClientConfig["ssl"]>;
  /** The URL for people, without the password. */
  readonly shown: string;
}

/**
 * Reads `postgres://user@host:port/database?sslmode=...`, or `postgres:///database?host=/socket/directory`; what it does not
 * say is taken as libpq would take it. The password comes from the URL, PGPASSWORD or the passfile, in this order. Without
 * `sslmode` a server on another machine has to prove its name (`verify-full`). Throws `store-unsuitable`, whose message never
 * holds the URL. Does not connect.
 */
export function parsePostgresUrl(text: string, environment: Environment = process.env): PostgresSettings {
  const url = /^postgres(?:ql)?:\/\//i.test(text) && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw unsuitable("the database URL has to look like postgres://user@host:5432/database");
  // What follows such a character in a password was taken for the database or a parameter, which messages show.
  if (url.hash !== "" || `${url.pathname}${url.search}`.includes("@"))
    throw unsuitable("the database URL has a # or a late @: write / ? # @ in the password as %2F %3F %23 %40");
  const given = givenIn(url.searchParams);
  const host = given["host"] ?? (decoded(url.hostname.replace(/^\[(.+)\]$/, "$1")) || "localhost");
  const user = given["user"] ?? (decoded(url.username) || environment["PGUSER"] || userInfo().username);
  const database = given["dbname"] ?? (decoded(url.pathname.slice(1)) || user);
  const port = Number(given["port"] ?? (url.port || standardPort));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw unsuitable("the port in the database URL has to be a number from 1 to 65535");
  const place = { host, port, user, database };
  const passfile = given["passfile"] ?? environment["PGPASSFILE"] ?? join(homedir(), ".pgpass");
  const authority = host.startsWith("/") ? "" : `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const socket = host.startsWith("/") ? `?host=${host}&port=${port}` : "";
  return {
    ...place,
    password: decoded(url.password) || environment["PGPASSWORD"] || passwordIn(passfile, place),
    ssl: tlsOf(given, host),
    shown: `postgres://${encodeURIComponent(user)}@${authority}/${encodeURIComponent(database)}${socket}`,
  };
}

type Environment = Readonly<Record<string, string | undefined>>;

function givenIn(query: URLSearchParams): Readonly<Record<string, string | undefined>> {
  const given = new Map<string, string>();
  for (const [name, value] of query) {
    if (!parameters.has(name)) {
      const shown = /^[a-z_]{1,32}$/.test(name) ? `the parameter ${name}` : "a parameter that is not known";
      throw unsuitable(`the database URL has ${shown}; known are: ${[...parameters].join(", ")}`);
    }
    if (given.has(name)) throw unsuitable(`the database URL has the parameter ${name} twice; leave one`);
    if (value === "")
      throw unsuitable(`the parameter ${name} in the database URL is empty; give a value or leave it out`);
    given.set(name, value);
  }
  return Object.fromEntries(given);
}

/** As libpq understands `sslmode` (PostgreSQL documentation 34.19), without the modes that may fall back to plain text. */
function tlsOf(given: Readonly<Record<string, string | undefined>>, host: string): PostgresSettings["ssl"] {
  const { sslmode = isLocal(host) ? "disable" : "verify-full", sslrootcert, sslcert, sslkey } = given;
  if (sslmode === "disable") return false;
  const files = {
    ...(sslrootcert === undefined ? {} : { ca: fileOf("sslrootcert", sslrootcert) }),
    ...(sslcert === undefined ? {} : { cert: fileOf("sslcert", sslcert) }),
    ...(sslkey === undefined ? {} : { key: fileOf("sslkey", sslkey) }),
  };
  if (sslmode === "verify-full") return { ...files, rejectUnauthorized: true };
  if (sslmode === "verify-ca" || (sslmode === "require" && sslrootcert !== undefined))
    return { ...files, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  if (sslmode === "require") return { ...files, rejectUnauthorized: false };
  throw unsuitable("sslmode in the database URL has to be disable, require, verify-ca or verify-full");
}

function isLocal(host: string): boolean {
  return host.startsWith("/") || host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function fileOf(parameter: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new StoreError("store-unsuitable", `${parameter} in the database URL: ${messageOf(cause)}`, { cause });
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    if (codeOf(cause) === "unexpected") throw unsuitable("the database URL has a % that begins no encoded character");
    throw cause;
  }
}

function unsuitable(sentence: string): StoreError {
  return new StoreError("store-unsuitable", sentence);
}

const parameters = new Set([
  "host",
  "port",
  "user",
  "dbname",
  "passfile",
  "sslmode",
  "sslrootcert",
  "sslcert",
  "sslkey",
]);
const standardPort = "5432";
