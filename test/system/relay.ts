import { connect, createServer, type Socket } from "node:net";

/** A TCP relay on a port of its own, so that what is behind it may go away and come back elsewhere. */
export interface Relay {
  readonly port: number;
  /** Port on this machine that connections go to; they are refused while there is none. */
  target: number | undefined;
  /** Cuts what is open. */
  cut(): void;
  close(): Promise<void>;
}

export async function startRelay(target: number): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((near) => {
    if (relay.target === undefined) return near.destroy();
    const far = connect({ host: "127.0.0.1", port: relay.target });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    return undefined;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const relay: Relay = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    target,
    cut() {
      for (const socket of open) socket.destroy();
    },
    close() {
      relay.cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return relay;
}
