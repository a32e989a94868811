import { join } from "node:path";
import { opensslCa } from "../test/system/openssl-ca.ts";
import { type BuiltPeer, builtProgram, installBuilt } from "./built.ts";
import { checkDevice, deviceEst } from "./device.ts";
import { makeIdevid, makeLeaf, makeManufacturer } from "./openssl.ts";
import { type InteropContext, type InteropPeer, type InteropVariant, succeed } from "./peer.ts";
import { freePort, withServerProgram } from "./server-program.ts";

const foundriesio: BuiltPeer = {
  peer: "foundriesio-estserver",
  programs: [{ name: "cmd", ask: ["-help"], says: /EST CA for handling enrollments/ }],
  goPackages: ["github.com/foundriesio/estserver/cmd@latest"],
  advice:
    "Build cmd from github.com/foundriesio/estserver at 1cf5a72 and put it into interop/.peers/foundriesio-estserver",
};

const peer: InteropPeer = {
  protocol: "est",
  peer: foundriesio.peer,
  packaged: false,
  install: (log) => installBuilt(foundriesio, log),
  // The program says none.
  version: async () => "June 2024",
  variants: [
    enrolling("device-enroll", async (bench) => {
      await checkDevice(await deviceEst(bench, bench.asked), bench, serial);
      return "the device showed its manufacturer's certificate and took the server's 201 for the 200 that it means";
    }),
  ],
};
export default peer;

interface Bench {
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly url: string;
  readonly root: ReturnType<typeof opensslCa>;
  readonly issuing: ReturnType<typeof opensslCa>;
  /** Options of a first enrolment. */
  readonly asked: readonly string[];
}

function enrolling(name: string, run: (bench: Bench) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST client",
    async run({ directory, signal, log }: InteropContext) {
      // Its cacerts has roots alone and its answer the certificate alone, so the root is what issues.
      const root = opensslCa(directory, "foundries-root");
      const authority = { certificate: root.certificateFile, key: root.keyFile };
      const names = ["subjectAltName=IP:127.0.0.1", "extendedKeyUsage=serverAuth"];
      const server = await makeLeaf(directory, "server", authority, names);
      // It takes exactly one certificate from a client: a maker that the device itself does not trust is not sent along.
      const manufacturer = await makeManufacturer(directory, "Example");
      const device = await makeIdevid(directory, manufacturer, serial);
      // It reads keys in the form of SEC 1 only.
      const key = join(directory, "foundries-sec1.key");
      await succeed("openssl", ["ec", "-in", root.keyFile, "-out", key]);
      const port = await freePort();
      const files = ["-root-cert", root.certificateFile, "-ca-cert", root.certificateFile, "-ca-key", key];
      const makers = ["-client-cas", manufacturer.certificate];
      const program = {
        file: builtProgram(foundriesio, "cmd"),
        args: [...files, "-tls-cert", server.certificate, "-tls-key", server.key, ...makers, "-port", `${port}`],
        port,
        signal,
        log,
      };
      const url = `https://127.0.0.1:${port}`;
      const asked = [
        ...["--url", url, "--ca", root.certificateFile, "--name", serial],
        ...["--cert", device.certificate, "--key", device.key],
      ];
      return withServerProgram(program, () => run({ directory, signal, url, root, issuing: root, asked }));
    },
  };
}

const serial = "EX-0001";
