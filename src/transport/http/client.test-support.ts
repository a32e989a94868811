import type { Connection } from "../../core/link.ts";
import { type DialOptions, dialHttps } from "./client.ts";
import { testCertificates } from "./fixtures.test-support.ts";
import type { HttpRequest, HttpResponse } from "./message.ts";
import type { ServerTrust } from "./server-trust.ts";

/** What the tests of the client share. */

export const certificates = testCertificates();
export const anchored = { kind: "anchors", anchors: [certificates.root.certificate] } satisfies ServerTrust;
export const request: HttpRequest = { method: "GET", path: "/", headers: [], body: new Uint8Array(0) };

/** A response as text. */
export function ok(body: string): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Dials a server of this machine under `anchored`. */
export function dial(port: number, options: Partial<DialOptions> = {}): Promise<Connection<HttpRequest, HttpResponse>> {
  return dialHttps({ url: `https://localhost:${port}`, trust: anchored, ...options });
}
