import type { KeyObject } from "node:crypto";
import { connect as connectTcp, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { base64, concat, utf8 } from "../../src/core/bytes.ts";
import { privateKeyToPem } from "../../src/crypto/keys.ts";
import { decodeWireBase64 } from "../../src/encoding/base64.ts";
import { encodePem } from "../../src/encoding/pem.ts";
import { decodeCertsOnly } from "../../src/pki/cms.ts";
import type { TestService } from "./service.ts";

/** A response as it stood on the wire. */
export interface RawAnswer {
  readonly status: number;
  /** The value of a header field, values of a repeated one joined; undefined when it is absent. */
  field(name: string): string | undefined;
  readonly text: string;
}

export interface RawIdentity {
  /** In DER, the client's own certificate first. */
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
}

/** Where a service is, and how it is trusted. */
export type Reached = Pick<TestService, "port" | "root">;

export interface DialOptions {
  readonly identity?: RawIdentity;
  readonly version?: "TLSv1.2" | "TLSv1.3";
  /** What a proxy says before it passes the connection through. */
  readonly preface?: string;
}

/** A TLS connection to the service, which is verified; the handshake is complete when it resolves. */
export function dial(service: Reached, { identity, version, preface }: DialOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const tcp = connectTcp(service.port, "127.0.0.1");
    if (preface !== undefined) tcp.write(preface);
    const socket = connect({
      socket: tcp,
      host: "127.0.0.1",
      ca: encodePem("CERTIFICATE", service.root),
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
      ...(identity === undefined ? {} : { cert: pemOf(identity.chain), key: privateKeyToPem(identity.key) }),
    });
    tcp.once("error", reject);
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      socket.off("error", reject);
      // A connection that breaks shows as an answer that does not come.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** Sends `request` as it is and resolves with the one response to it; the connection stays as the server leaves it. */
export function exchange(socket: Socket, request: Uint8Array): Promise<RawAnswer> {
  const answer = answerOn(
    socket,
    utf8("HEAD ").every((octet, at) => request[at] === octet),
  );
  socket.write(request);
  return answer;
}

/** Sends `request` over a connection of its own. */
export async function ask(service: Reached, request: Uint8Array, options: DialOptions = {}): Promise<RawAnswer> {
  const socket = await dial(service, options);
  try {
    return await exchange(socket, request);
  } finally {
    socket.destroy();
  }
}

/** A request of exactly these header lines and this body; `Host` is added and nothing else. */
export function message(line: string, fields: readonly string[] = [], body: Uint8Array | string = ""): Uint8Array {
  const head = [`${line} HTTP/1.1`, "Host: 127.0.0.1", ...fields].join("\r\n");
  return concat([utf8(`${head}\r\n\r\n`), typeof body === "string" ? utf8(body) : body]);
}

/** A well-formed POST of an enrolment: a request in DER, or the body as it is. */
export function enrolment(
  request: Uint8Array | string,
  fields: readonly string[] = [],
  path = "/.well-known/est/simpleenroll",
): Uint8Array {
  const body = typeof request === "string" ? request : base64(request);
  return message(
    `POST ${path}`,
    ["Content-Type: application/pkcs10", `Content-Length: ${Buffer.byteLength(body)}`, ...fields],
    body,
  );
}

export function basic(user: string, password: string): string {
  return `Authorization: Basic ${base64(utf8(`${user}:${password}`))}`;
}

/** The one certificate of a granted enrolment in DER; throws for any other answer. */
export function certificateIn(answer: RawAnswer): Uint8Array {
  const type = answer.field("content-type");
  if (answer.status !== 200 || type !== "application/pkcs7-mime; smime-type=certs-only")
    throw new Error(`instead of a certificate: ${answer.status} ${type} ${answer.text}`);
  const [certificate, ...more] = decodeCertsOnly(decodeWireBase64(utf8(answer.text)));
  if (certificate === undefined || more.length > 0) throw new Error(`${more.length + 1} certificates instead of one`);
  return certificate;
}

/** The next response on a connection, cut out of the bytes by its Content-Length, but for that to HEAD, which ends with its header. */
function answerOn(socket: Socket, headOnly: boolean): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let received = "";
    const settle = () => {
      socket.off("data", collect).off("close", ended);
    };
    const collect = (chunk: Buffer) => {
      received += chunk.toString("latin1");
      const answer = parsed(received, headOnly);
      if (answer === undefined) return;
      settle();
      resolve(answer);
    };
    const ended = () => {
      settle();
      reject(new Error(`the connection ended without a whole answer: ${JSON.stringify(received)}`));
    };
    socket.on("data", collect).on("close", ended);
  });
}

function parsed(received: string, headOnly: boolean): RawAnswer | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [line = "", ...lines] = received.slice(0, end).split("\r\n");
  const fields = lines.map((each) => [each.slice(0, each.indexOf(":")).toLowerCase(), each.replace(/^[^:]*: */, "")]);
  const field = (name: string) => {
    const values = fields.filter(([key]) => key === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(", ");
  };
  const text = received.slice(end + 4);
  return !headOnly && text.length < Number(field("content-length"))
    ? undefined
    : { status: Number(line.split(" ")[1]), field, text };
}

function pemOf(chain: readonly Uint8Array[]): string {
  return chain.map((der) => encodePem("CERTIFICATE", der)).join("");
}
