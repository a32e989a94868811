import { connect as connectTcp, type Socket } from "node:net";
import { connect, type SecureContext, type TLSSocket } from "node:tls";

/** One TLS connection of the load generator, which does as little as possible beside TLS. */
export interface BenchConnection {
  /** Protocol version as the handshake chose it, such as `TLSv1.3`. */
  readonly version: string;
  /** Sends one request and resolves with the whole answer; one at a time. Throws when the connection ends before. */
  exchange(request: Uint8Array): Promise<Answer>;
  /** Bytes of TCP payload so far, both directions. */
  bytes(): number;
  close(): void;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Connects to `port` of this machine and resolves after the handshake; the server must be one that `context` trusts. */
export function openConnection(port: number, context: SecureContext): Promise<BenchConnection> {
  // A socket of its own below TLS, because only that counts the bytes of the wire.
  const wire = connectTcp({ host, port, noDelay: true });
  const socket = connect({ socket: wire, host, secureContext: context });
  return new Promise((resolve, reject) => {
    wire.once("error", reject);
    socket.once("error", reject);
    socket.once("secureConnect", () => resolve(connectionOver(socket, wire)));
  });
}

function connectionOver(socket: TLSSocket, wire: Socket): BenchConnection {
  return {
    version: socket.getProtocol() ?? "none",
    exchange(request) {
      return new Promise((resolve, reject) => {
        let received = "";
        const settle = (how: () => void) => {
          socket.off("data", onData).off("close", onClose).off("error", reject);
          how();
        };
        const onData = (part: Buffer) => {
          received += part.toString("latin1");
          const answer = answerIn(received);
          if (answer !== undefined) settle(() => resolve(answer));
        };
        const onClose = () => settle(() => reject(new Error(`the server closed the connection after: ${received}`)));
        socket.on("data", onData).once("close", onClose).once("error", reject);
        socket.write(request);
      });
    },
    bytes: () => wire.bytesRead + wire.bytesWritten,
    close() {
      socket.destroy();
      wire.destroy();
    },
  };
}

/** The answer, once all of it is there; every answer here has a Content-Length. */
function answerIn(received: string): Answer | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const length = /\r\ncontent-length: *(\d+)/i.exec(received.slice(0, end))?.[1];
  if (length === undefined) throw new Error(`an answer without Content-Length: ${received}`);
  const body = received.slice(end + 4);
  return body.length < Number(length) ? undefined : { status: Number(received.slice(9, 12)), body };
}

const host = "127.0.0.1";
