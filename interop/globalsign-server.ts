import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpensslCa, opensslCa } from "../test/system/openssl-ca.ts";
import { type BuiltPeer, builtProgram } from "./built.ts";
import { type Credential, makeLeaf } from "./openssl.ts";
import type { Log } from "./peer.ts";
import { freePort, withServerProgram } from "./server-program.ts";

export const globalsign: BuiltPeer = {
  peer: "globalsign-est",
  programs: [
    { name: "estserver", ask: ["-version"], says: /GlobalSign EST/ },
    { name: "estclient", ask: ["version"], says: /GlobalSign EST/ },
  ],
  goPackages: ["github.com/globalsign/est/cmd/estserver@latest", "github.com/globalsign/est/cmd/estclient@latest"],
  advice: "Build both from github.com/globalsign/est at v1.0.6 and put them into interop/.peers/globalsign-est",
};

/** A running estserver and the CA that openssl made for it. */
export interface Estserver {
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
  readonly root: OpensslCa;
  readonly issuing: OpensslCa;
}

/** Runs `use` beside an estserver of its own. */
export async function withEstserver<Result>(
  { directory, signal, log }: { readonly directory: string; readonly signal: AbortSignal; readonly log: Log },
  use: (server: Estserver) => Promise<Result>,
): Promise<Result> {
  const root = opensslCa(directory, "upstream-root", { algorithm: "RSA-2048" });
  const issuing = opensslCa(directory, "upstream-issuing", { algorithm: "RSA-2048", issuer: root });
  const names = ["subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
  const server = await makeLeaf(directory, "server", filesOf(issuing), names);
  const chain = join(directory, "upstream-chain.pem");
  writeFileSync(chain, issuing.certificate + root.certificate);
  const port = await freePort();
  const configuration = join(directory, "estserver.json");
  const address = `127.0.0.1:${port}`;
  const settings = {
    mock_ca: { certificates: chain, private_key: issuing.keyFile },
    tls: { listen_address: address, certificates: server.certificate, private_key: server.key, client_cas: [chain] },
    allowed_hosts: ["127.0.0.1"],
    healthcheck_password: "unused",
    rate_limit: 1000,
    timeout: 30,
  };
  writeFileSync(server.certificate, readFileSync(server.certificate, "utf8") + issuing.certificate);
  writeFileSync(configuration, JSON.stringify(settings));
  const file = builtProgram(globalsign, "estserver");
  return withServerProgram({ file, args: ["-config", configuration], port, signal, log }, () =>
    use({ url: `https://${address}`, root, issuing }),
  );
}

export function filesOf({ certificateFile, keyFile }: OpensslCa): Credential {
  return { certificate: certificateFile, key: keyFile };
}
