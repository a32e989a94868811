import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A way to the server that can be cut while a transaction is on it. */
export interface CuttingProxy {
  readonly port: number;
  /**
   * Cuts the connection on which the nth COMMIT from now on is seen: `before` it reaches the server, or `after` the server
   * has answered it and before the client hears of that.
   */
  cutAtCommit(nth: number, when: "before" | "after"): void;
  /** Resolves when the cut that was asked for was made. */
  cut(): Promise<void>;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<CuttingProxy> {
  let plan: { left: number; readonly when: "before" | "after"; readonly made: () => void } | undefined;
  let made: Promise<void> = Promise.resolve();
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    const upstream = connect(target, "127.0.0.1");
    let deaf = false;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    const cut = () => {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
      plan?.made();
      plan = undefined;
    };
    client.on("data", (part: Buffer) => {
      if (plan !== undefined && isCommit(part)) plan.left -= 1;
      const now = plan?.left === 0 && isCommit(part);
      if (now && plan?.when === "before") return cut();
      if (now) deaf = true;
      upstream.write(part);
    });
    upstream.on("data", (part: Buffer) => {
      if (!deaf) return void client.write(part);
      // The answer to COMMIT ends with that the session is idle again.
      if (part.includes(idle)) cut();
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");

  return {
    port: (server.address() as AddressInfo).port,
    cutAtCommit(nth, when) {
      const { promise, resolve } = Promise.withResolvers<void>();
      made = promise;
      plan = { left: nth, when, made: resolve };
    },
    cut: () => made,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** A simple query with the text `commit` (PostgreSQL documentation 55.7, Query). */
function isCommit(part: Buffer): boolean {
  return part.includes("commit\0");
}

/** ReadyForQuery with the status idle. */
const idle = Buffer.of(0x5a, 0, 0, 0, 5, 0x49);
