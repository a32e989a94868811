import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { codeOf, HatcheryError, messageOf } from "../core/errors.ts";
import type { Page } from "./answers.ts";
import { CliError, ServiceRefused } from "./errors.ts";
import type { Invocation } from "./options.ts";

/** The API of the running service, seen from one tenant. Paths begin below `/api/v1/tenants/TENANT`. */
export interface Api {
  get<Answer>(path: string, query?: Query): Promise<Answer>;
  /** As many items of a list as `limit` asks for, over as many pages as that takes. */
  list<Item>(path: string, limit: number, query?: Query): Promise<Listing<Item>>;
  post<Answer>(path: string, body: unknown): Promise<Answer>;
  put<Answer>(path: string, body: unknown): Promise<Answer>;
  remove<Answer>(path: string): Promise<Answer>;
}

export type Query = Readonly<Record<string, string | number | undefined>>;

export interface Listing<Item> {
  readonly items: readonly Item[];
  /** There are more than were asked for. */
  readonly more: boolean;
}

/**
 * The API of the service on the data directory of `invocation`. Connects with each request, so a service that does not
 * run is told by the first one: `service-not-running`. A refusal is thrown as ServiceRefused with the service's code.
 *
 * The fields of an answer are not checked: the socket is the same user's, and the service is this very program.
 */
export function tenantApi({ data, tenant }: Pick<Invocation, "data" | "tenant">): Api {
  return apiBelow(data, `/api/v1/tenants/${encodeURIComponent(tenant)}`);
}

/** The same for what belongs to no tenant; paths begin below `/api/v1`. */
export function serviceApi({ data }: Pick<Invocation, "data">): Api {
  return apiBelow(data, "/api/v1");
}

/** One segment of a path. */
export function segment(text: string): string {
  // `.` and `..` would be folded away on the way, and an empty segment would name another resource.
  if (text === "" || text === "." || text === "..") throw new CliError("usage", `"${text}" names nothing here.`);
  return encodeURIComponent(text);
}

function apiBelow(data: string, base: string): Api {
  const call = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
    const { requestUnix } = await import("../transport/http/unix.ts");
    const response = await requestUnix(await socketPath(data), {
      method,
      path: `${base}${path}`,
      ...(body === undefined ? {} : { body }),
    }).catch((error: unknown) => {
      throw withDirectory(error, data);
    });
    if (response.status >= 400) throw refusal(response.status, response.body);
    if (typeof response.body !== "object" || response.body === null) throw unexpected(response.status);
    return response.body as Answer;
  };
  return {
    get: (path, query) => call("GET", `${path}${queryString(query)}`),
    async list<Item>(path: string, limit: number, query?: Query) {
      const items: Item[] = [];
      let next: string | undefined;
      do {
        const rest = Math.min(limit - items.length, longestPage);
        const page = await call<Page<Item>>("GET", `${path}${queryString({ ...query, limit: rest, after: next })}`);
        items.push(...page.items);
        next = page.next;
      } while (next !== undefined && items.length < limit);
      return { items, more: next !== undefined };
    },
    post: (path, body) => call("POST", path, body),
    put: (path, body) => call("PUT", path, body),
    remove: (path) => call("DELETE", path),
  };
}

/** A service that does not run is told with the directory that was looked in, which may be another one than was meant. */
function withDirectory(error: unknown, data: string): unknown {
  const another = error instanceof Error && codeOf(error.cause) === "EACCES";
  if (codeOf(error) !== "service-not-running" || another) return error;
  const start = data === "./data" ? "hatchery up" : `hatchery up --data ${data}`;
  const sentence = `no service is running on the data directory ${resolve(data)}; start it with: ${start}`;
  return new HatcheryError("service-not-running", sentence, { cause: error });
}

/** `up` writes down where its socket is, because an over-long path moves elsewhere. */
async function socketPath(data: string): Promise<string> {
  const file = join(data, "api.json");
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    return resolve(data, "api.sock");
  }
  try {
    const { socket } = JSON.parse(text) as { readonly socket: unknown };
    if (typeof socket === "string" && socket !== "") return resolve(data, socket);
    throw new TypeError("it names no socket");
  } catch (cause) {
    const sentence = `${file} is broken (${messageOf(cause)}); stop the service and start it again with: hatchery up`;
    throw new CliError("file-unreadable", sentence, { cause });
  }
}

function queryString(query: Query = {}): string {
  const given = Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

function refusal(status: number, body: unknown): Error {
  const { code, message } =
    (body as { readonly error?: { readonly code?: unknown; readonly message?: unknown } } | undefined)?.error ?? {};
  if (typeof code !== "string" || typeof message !== "string") return unexpected(status);
  return new ServiceRefused(code, message);
}

function unexpected(status: number): CliError {
  const sentence = `the service answered ${status} in a form that this version does not know; use the version that runs the service`;
  return new CliError("answer-unexpected", sentence);
}

/** The most that the API puts on one page. */
const longestPage = 500;
