import test from "node:test";
import { utf8 } from "../../core/bytes.ts";
import { testCertificates } from "./fixtures.test-support.ts";
import { type HttpListener, type HttpListenerOptions, type HttpRoute, listenHttps } from "./listener.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import type { RefusalReport } from "./refusals.ts";

/** What the tests of the listener share: requests as text, routes, and a memory of what the listeners saw. */

export const certificates = testCertificates();

export const host = "Host: localhost\r\n";

export function get(path: string, fields = ""): string {
  return `GET ${path} HTTP/1.1\r\n${host}${fields}\r\n`;
}

export function post(fields: string, body: string, path = "/echo"): string {
  return `POST ${path} HTTP/1.1\r\n${host}${fields}\r\n${body}`;
}

export function plain(text: string): HttpResponse {
  return { status: 200, headers: [["Content-Type", "text/plain"]], body: utf8(text) };
}

/** The requests that reached a handler, and what listeners reported, since the test began. */
export const seen: HttpRequest[] = [];
export const reports: RefusalReport[] = [];

/** Runs `body` with an empty memory. */
export function fresh(name: string, body: () => Promise<void>): void {
  test(name, async () => {
    seen.length = 0;
    reports.length = 0;
    await body();
  });
}

/** A listener on a free port, with the route `echo` alone unless `options` say otherwise. */
export function listen(options: Partial<HttpListenerOptions> = {}): Promise<HttpListener> {
  return listenHttps({
    host: "127.0.0.1",
    port: 0,
    credential: certificates.server,
    routes: [echo],
    onError: (report) => reports.push(report),
    ...options,
  });
}

export const echo: HttpRoute = {
  method: "POST",
  path: "/echo",
  bodyLimit: 1_000,
  handle: async (request) => {
    seen.push(request);
    return { status: 200, headers: [], body: request.body };
  },
};

/** For the one listener that the tests of a file share. */
export const routes: readonly HttpRoute[] = [
  echo,
  { ...echo, method: "PUT", bodyLimit: 0 },
  {
    ...echo,
    path: "/est/:label/simpleenroll",
    handle: async (request, _peer, _association, parameters) => plain(`${request.path} ${parameters["label"]}`),
  },
  {
    method: "GET",
    path: "/memory",
    bodyLimit: 0,
    handle: async (_request, _peer, { id, memory }) => {
      const count = Number(memory.get("count") ?? 0) + 1;
      memory.set("count", count);
      return plain(`${id} ${count}`);
    },
  },
  {
    method: "GET",
    path: "/fails",
    bodyLimit: 0,
    handle: async () => {
      throw new Error("the secret reason");
    },
  },
  {
    method: "GET",
    path: "/broken-field",
    bodyLimit: 0,
    handle: async () => ({ status: 200, headers: [["X-A", "a\r\nX-B: b"]], body: utf8("") }),
  },
  {
    method: "GET",
    path: "/est-answer",
    bodyLimit: 0,
    handle: async () => ({
      status: 200,
      headers: [
        ["Content-Type", "application/pkcs7-mime; smime-type=certs-only"],
        ["Content-Transfer-Encoding", "base64"],
        ["WWW-Authenticate", 'Basic realm="est"'],
        ["WWW-Authenticate", 'Digest realm="est"'],
      ],
      body: new Uint8Array(2_000).fill(0x41),
    }),
  },
];
