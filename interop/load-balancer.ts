import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deviceEst } from "./device.ts";
import { type Hatchery, withHatchery } from "./hatchery.ts";
import { grantedRun } from "./ledger.ts";
import { type Credential, makeIdevid, makeLeaf, makeManufacturer, makeRequest, requestBody } from "./openssl.ts";
import { type InteropContext, type InteropVariant, succeed } from "./peer.ts";
import { freePort, withServerProgram } from "./server-program.ts";

/** What a load balancer of somebody else is told, and where it stands: between devices and our EST server. */
export interface Place {
  readonly directory: string;
  /** Where the load balancer listens. */
  readonly port: number;
  /** Our port that it hands connections or requests on to. */
  readonly behind: number;
  /** The server's certificate and key in one PEM file, for a load balancer that ends TLS. */
  readonly credential: string;
}

/** A program that is started with a configuration of its own. */
export interface LoadBalancer {
  readonly file: string;
  readonly args: (place: Place) => readonly string[];
}

/** Our EST server behind a load balancer that passes TLS through and sends the PROXY protocol. */
export function passThrough(name: string, balancer: LoadBalancer): InteropVariant {
  return variant(name, ["--proxies", "127.0.0.1"], async (bench) => {
    const { hatchery, context } = bench;
    return bench.behind(balancer, Number(new URL(hatchery.url).port), async (url) => {
      const common = [
        "--url",
        url,
        "--ca",
        hatchery.root,
        "--cert",
        bench.idevid.certificate,
        "--key",
        bench.idevid.key,
      ];
      await deviceEst(context, [...common, "--name", bench.serial]);
      assert.match((await grantedRun(hatchery, "est/idevid", bench.serial)).link, /^TLSv1\.3 /);
      const answer = await post(bench, url, hatchery.root, from);
      assert.equal(answer.status, "200", answer.body);
      assert.match(await addressOf(bench, answer), /^127\.0\.0\.5:\d+$/, "the device's own address");
      return "a device enrolled through it with its channel binding, and another from 127.0.0.5 was recorded from there";
    });
  });
}

/** Our EST server behind a load balancer that ends TLS and sends Client-Cert and Forwarded. */
export function terminated(name: string, balancer: LoadBalancer): InteropVariant {
  return {
    name,
    role: "EST server",
    async run(context) {
      const port = await freePort();
      const options = ["--client-cert-port", `${port}`, "--client-cert-proxies", "127.0.0.1"];
      return variant(name, options, async (bench) =>
        bench.behind(balancer, port, async (url, authority) => {
          const { hatchery, idevid, serial } = bench;
          const answer = await post(bench, url, authority, [...from, "--header", "Client-Cert: :MAA=:"]);
          assert.equal(answer.status, "200", answer.body);
          assert.match(await addressOf(bench, answer), /^127\.0\.0\.5:/, "the device's own address");
          const run = await grantedRun(hatchery, "est/idevid", serial);
          assert.match(run.link, /^TLS that ended at the proxy 127\.0\.0\.1:\d+$/);
          // The device meets two CAs: the one of the proxy's certificate, and the one that enrols it.
          const anchors = join(context.directory, "anchors.pem");
          writeFileSync(anchors, [authority, hatchery.root].map((file) => readFileSync(file, "utf8")).join(""));
          const bound = ["--url", url, "--ca", anchors, "--cert", idevid.certificate, "--key", idevid.key];
          await assert.rejects(deviceEst(context, [...bound, "--name", serial]), /ended at a proxy/);
          const stranger = await post({ ...bench, idevid: bench.stranger }, url, authority, from);
          assert.equal(stranger.status, "401", stranger.body);
          return "curl from 127.0.0.5 enrolled by the certificate that it proved to the proxy, in place of the one that it wrote into Client-Cert itself; a binding and a strange certificate were refused";
        }),
      ).run(context);
    },
  };
}

interface Bench {
  readonly context: InteropContext;
  readonly hatchery: Hatchery;
  readonly serial: string;
  readonly idevid: Credential;
  /** A device of a manufacturer that nobody has registered. */
  readonly stranger: Credential;
  behind<T>(balancer: LoadBalancer, behind: number, use: (url: string, authority: string) => Promise<T>): Promise<T>;
}

function variant(name: string, options: readonly string[], run: (bench: Bench) => Promise<string>): InteropVariant {
  return {
    name,
    role: "EST server",
    run: (context) =>
      withHatchery({ directory: context.directory, signal: context.signal, options }, async (hatchery) => {
        const { directory, signal, log } = context;
        const manufacturer = await makeManufacturer(directory, "acme");
        const idevid = await makeIdevid(directory, manufacturer, serial);
        const stranger = await makeIdevid(directory, await makeManufacturer(directory, "unknown"), serial2);
        await hatchery.cli("trust", "add", manufacturer.certificate, "--name", "acme");
        await hatchery.cli("claim", serial);
        return run({
          context,
          hatchery,
          serial,
          idevid,
          stranger,
          async behind(balancer, behind, use) {
            const authority = await makeManufacturer(directory, "site");
            const server = await makeLeaf(directory, "balancer", authority, ["subjectAltName=IP:127.0.0.1"]);
            const credential = join(directory, "balancer-credential.pem");
            const pem = [server.certificate, server.key].map((file) => readFileSync(file, "utf8")).join("");
            writeFileSync(credential, pem, { mode: 0o600 });
            const port = await freePort();
            const args = balancer.args({ directory, port, behind, credential });
            const program = { file: balancer.file, args, port, signal, log };
            return withServerProgram(program, () => use(`https://127.0.0.1:${port}`, authority.certificate));
          },
        });
      }),
  };
}

interface Answer {
  readonly status: string;
  readonly body: string;
  readonly run: string;
}

/** simpleenroll by curl, with the IDevID of the bench. */
async function post(
  { context: { directory, signal }, idevid, serial }: Bench,
  url: string,
  authority: string,
  args: readonly string[],
): Promise<Answer> {
  const [body, output, head] = ["body", "answer", "head"].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  writeFileSync(body, await requestBody(await makeRequest(directory, "curl", serial), "line"));
  const status = await succeed(
    "curl",
    [
      ...[
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--cacert",
        authority,
        "--output",
        output,
        "--dump-header",
        head,
      ],
      ...["--write-out", "%{http_code}", "--cert", idevid.certificate, "--key", idevid.key],
      ...["--header", "Content-Type: application/pkcs10", "--data-binary", `@${body}`, ...args],
      `${url}/.well-known/est/simpleenroll`,
    ],
    { signal, cwd: directory },
  );
  const run = /^hatchery-run: (\S+)/im.exec(readFileSync(head, "utf8"))?.[1] ?? "";
  return { status, body: readFileSync(output, "utf8"), run };
}

/** Where the request of an answer came from, as the decision about it has it. */
async function addressOf({ hatchery }: Bench, { run }: Answer): Promise<string> {
  const path = `/api/v1/tenants/default/runs/${run}`;
  const answer = await hatchery.api<{ readonly run: { readonly events: readonly Decided[] } }>("GET", path);
  const decision = answer.run.events.find(({ kind }) => kind === "decision");
  return String(decision?.evidence?.["address"]);
}

interface Decided {
  readonly kind: string;
  readonly evidence?: Readonly<Record<string, unknown>>;
}

const serial = "SN-1";
const serial2 = "SN-2";
const from = ["--interface", "127.0.0.5"];
