import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { HatcheryError, messageOf } from "../core/errors.ts";
import type { TokenOptions } from "../pkcs11/index.ts";
import type { System } from "../service/system.ts";
import type { VaultSettings } from "../service/vault/sources.ts";
import { tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { duration } from "./format.ts";
import { example, type Invocation, invocationOf, port } from "./options.ts";
import { notice, print, printJson } from "./output.ts";
import { runChart } from "./runs.ts";
import { environmentKey, passphraseFrom, pinFrom } from "./vault-secrets.ts";

/** `hatchery up`: the whole service in this process, until a signal ends it or it can keep nothing any more. */
export function addUp(program: Command): void {
  program
    .command("up")
    .description("start the service; it keeps all that it knows in the data directory")
    .addOption(
      new Option("--database <url>", "PostgreSQL database instead of a file in the data directory").env(
        "HATCHERY_DATABASE",
      ),
    )
    .option("--host <address>", "address on which devices are served", "127.0.0.1")
    .option("--listen <address>", "the same as --host")
    .option("--port <number>", "port for the devices of the tenant default", port, 8443)
    .option("--demo-port <number>", "port for the devices of the tenant demo", port, 8444)
    .option("--publication-port <number>", "port without TLS on which anybody gets CRLs and OCSP", port, 8480)
    .option("--publication-url <url>", "how devices reach that port, for their certificates: http://NAME:PORT")
    .option("--name <name...>", "names and addresses by which devices reach this machine, for its certificate", [])
    .option(
      "--proxies <addresses>",
      "load balancers that pass TLS through and send the PROXY protocol: ADDRESS[/BITS],...",
      list,
    )
    .option(
      "--client-cert-port <number>",
      "port without TLS for proxies that end TLS and send Client-Cert (RFC 9440)",
      port,
    )
    .option("--client-cert-proxies <addresses>", "these proxies: ADDRESS[/BITS],...", list)
    .option("--psk-port <number>", "port for devices that have a pre-shared key in place of a certificate", port)
    .option("--demo", "onboard an emulated device, unless something was onboarded before")
    .option("--no-demo", "do not")
    .addOption(
      new Option("--vault <source>", "where the key comes from that seals secrets: a file on a first start").choices([
        "file",
        "passphrase",
        "env",
      ]),
    )
    .option(
      "--vault-passphrase-file <file>",
      "file whose first line is the vault's passphrase, instead of asking for it",
    )
    .option("--pkcs11 <module>", "make new keys of CAs in a hardware token, over this PKCS#11 library of its vendor")
    .option("--pkcs11-token <label>", "label of the token", "hatchery")
    .option("--pkcs11-pin-file <file>", "file whose first line is the token's PIN, instead of HATCHERY_PKCS11_PIN")
    .addOption(new Option("--log-level <level>", "how much to log").choices(logLevels).default("warn"))
    .addHelpText(
      "after",
      example(
        "hatchery up --demo",
        "hatchery up --data /srv/hatchery --host 0.0.0.0 --name est.example",
        "hatchery up --data /srv/hatchery --host 0.0.0.0 --name est.example --proxies 10.0.0.2,10.0.0.3",
        "hatchery up --data /srv/hatchery --database postgres://hatchery@db.example/hatchery",
      ),
    )
    .action(async (options: UpOptions, command: Command) => up(options, invocationOf(command)));
}

interface UpOptions {
  readonly database?: string;
  readonly host: string;
  readonly listen?: string;
  readonly port: number;
  readonly demoPort: number;
  readonly publicationPort: number;
  readonly publicationUrl?: string;
  readonly name: readonly string[];
  readonly proxies?: readonly string[];
  readonly clientCertPort?: number;
  readonly pskPort?: number;
  readonly clientCertProxies?: readonly string[];
  readonly demo?: boolean;
  readonly logLevel: string;
  readonly vault?: "file" | "passphrase" | "env";
  readonly vaultPassphraseFile?: string;
  readonly pkcs11?: string;
  readonly pkcs11Token: string;
  readonly pkcs11PinFile?: string;
}

async function up(options: UpOptions, invocation: Invocation): Promise<void> {
  const stop = stopOnSignal();
  const { startSystem } = await import("../service/system.ts");
  const { database, listen, host, demoPort, publicationPort, publicationUrl, name, logLevel } = options;
  const system = await startSystem({
    data: invocation.data,
    database,
    host: listen ?? host,
    port: options.port,
    demoPort,
    publicationPort,
    publicationUrl,
    names: name,
    proxies: options.proxies,
    clientCert: clientCert(options),
    pskPort: options.pskPort,
    logLevel,
    vault: vaultSettings(options),
    pkcs11: await tokenOptions(options),
  }).catch((error: unknown) => {
    throw withOption(error, options);
  });
  try {
    const shown =
      options.demo === true ? await Promise.race([demo(system, invocation, stop), aborted(stop)]) : undefined;
    if (!stop.aborted) announce(system, shown, invocation);
    const failure = await Promise.race([aborted(stop), system.failed]);
    if (failure !== undefined) throw failure;
  } finally {
    await system.close();
  }
}

/** Whoever finds a port taken is told which option names another one. */
function withOption(error: unknown, { port, demoPort, publicationPort, clientCertPort, pskPort }: UpOptions): unknown {
  if (!(error instanceof HatcheryError) || error.code !== "address-in-use") return error;
  const taken = error.details["port"];
  const options: readonly (readonly [option: string, port: number | undefined])[] = [
    ["--port", port],
    ["--demo-port", demoPort],
    ["--publication-port", publicationPort],
    ["--client-cert-port", clientCertPort],
    ["--psk-port", pskPort],
  ];
  const option = options.find((each) => each[1] === taken)?.[0];
  if (option === undefined) return error;
  return new HatcheryError(error.code, `${error.message.replace(/\.$/, "")} with ${option}.`, { cause: error });
}

function clientCert({ clientCertPort, clientCertProxies }: UpOptions) {
  if (clientCertPort === undefined && clientCertProxies === undefined) return undefined;
  if (clientCertPort === undefined || clientCertProxies === undefined)
    throw new CliError("usage", "--client-cert-port and --client-cert-proxies belong together; give both");
  return { port: clientCertPort, proxies: clientCertProxies };
}

function vaultSettings({ vault, vaultPassphraseFile }: UpOptions): VaultSettings {
  const key = environmentKey();
  const passphrase = passphraseFrom(vaultPassphraseFile);
  return {
    ...(vault === undefined ? {} : { source: vault }),
    secrets: {
      ...(key === undefined ? {} : { environmentKey: key }),
      ...(passphrase === undefined ? {} : { passphrase }),
    },
  };
}

async function tokenOptions({ pkcs11, pkcs11Token, pkcs11PinFile }: UpOptions): Promise<TokenOptions | undefined> {
  const ask = pinFrom(pkcs11PinFile);
  if (pkcs11 === undefined) return undefined;
  if (ask === undefined)
    throw new CliError("usage", "the token needs a PIN; give --pkcs11-pin-file, or set HATCHERY_PKCS11_PIN");
  return { module: resolve(pkcs11), token: pkcs11Token, pin: await ask() };
}

interface DemoShown {
  readonly run: string;
  readonly chart: string;
}

/** The demo's run and its chart; undefined when there was no need for it or it did not work, which stops no service. */
async function demo(system: System, invocation: Invocation, stop: AbortSignal): Promise<DemoShown | undefined> {
  if (!(await system.demoIsDue())) return undefined;
  try {
    const { runDemo } = await import("../lab/demo.ts");
    const log = (line: string) => notice(`demo: ${line}`);
    const { run } = await runDemo({
      data: resolve(invocation.data),
      socket: system.socket,
      estUrl: system.demoUrl,
      log,
    });
    return { run, chart: await runChart(tenantApi({ data: invocation.data, tenant: "demo" }), run) };
  } catch (error) {
    if (!stop.aborted) notice(`demo: it did not work, and the service runs without it: ${messageOf(error)}`);
    return undefined;
  }
}

function announce(system: System, shown: DemoShown | undefined, invocation: Invocation): void {
  const { version, data, database, listeners, publication } = system.status();
  if (invocation.json) {
    const demonstrated = shown === undefined ? {} : { demo: { run: shown.run } };
    printJson({ version, data, database, socket: system.socket, listeners, publication, ...demonstrated });
    return;
  }
  if (shown !== undefined) print(`${shown.chart}\n`);
  // npm sets the variable for `npm start` and `npx`: then there is a clone, and no hatchery on the path.
  const command = process.env["npm_lifecycle_event"] === undefined ? "hatchery" : "npx --no -- hatchery";
  const where = invocation.data === "./data" ? "" : ` --data ${invocation.data}`;
  print(
    [
      `hatchery ${version} is up; Ctrl-C ends it`,
      ...listeners.map(
        ({ tenant, protocol, url, door }) =>
          `  ${`${protocol}, ${tenant}`.padEnd(18)}${url}${door === undefined ? "" : doors[door]}`,
      ),
      `  ${"CRLs, OCSP".padEnd(18)}${publication}`,
      `  ${"data".padEnd(18)}${data}`,
      ...(database.startsWith(data) ? [] : [`  ${"database".padEnd(18)}${database}`]),
      `  ${"API".padEnd(18)}${system.socket}, open to this user alone, who is the administrator`,
      "",
      "try in another terminal:",
      ...(shown === undefined ? firstCommands : demoCommands).map((line) => `  ${command} ${line}${where}`),
    ].join("\n"),
  );
}

/** Aborted by the first SIGINT or SIGTERM. A second one, or ten seconds that were not enough, ends the process at once. */
function stopOnSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(1);
    notice("stopping; once more ends it at once");
    setTimeout(() => {
      notice(`it did not stop within ${duration(patience)}; what was answered is in the store`);
      process.exit(1);
    }, patience).unref();
    controller.abort();
  };
  process.on("SIGINT", stop).on("SIGTERM", stop);
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

function list(text: string): readonly string[] {
  return text.split(",").map((each) => each.trim());
}

const doors = { "client-cert": ", for proxies that end TLS", psk: ", for devices with a pre-shared key" } as const;
const demoCommands = ["devices --tenant demo", "run show --tenant demo", "compare --tenant demo", "demo remove"];
const firstCommands = ["ca export --out anchor.pem", "claim SERIAL", "rule list", "runs"];
const patience = 10_000;
const logLevels = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];
