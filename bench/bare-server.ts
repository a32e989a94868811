// The least that a server for devices can be: Node's HTTPS server with the TLS settings of our device listener, which reads
// each request to its end and answers with a body of fixed size. A process of its own; see bareServer in floors.ts.
import { createTlsServer, type ServerCredential } from "../src/transport/http/device-tls.ts";
import { defaultHttpLimits } from "../src/transport/http/limits.ts";

/** What the parent process sends first. */
export interface BareServerOptions {
  readonly credential: ServerCredential;
  /** Bytes of each answer's body. */
  readonly bodyBytes: number;
}

process.once("message", ({ credential, bodyBytes }: BareServerOptions) => {
  const { server } = createTlsServer(credential, defaultHttpLimits);
  const body = Buffer.alloc(bodyBytes, "A");
  server.on("request", (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const { length } = Buffer.concat(parts);
      response.writeHead(200, {
        "Content-Type": "application/pkcs7-mime",
        "Content-Length": bodyBytes,
        "Bench-Read": length,
      });
      response.end(body);
    });
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (address !== null && typeof address === "object") process.send?.(address.port);
  });
});
// A parent that is gone wants nothing any more.
process.once("disconnect", () => process.exit(0));
