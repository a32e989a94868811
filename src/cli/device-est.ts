import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { codeOf, HatcheryError } from "../core/errors.ts";
import type { Run } from "../knowledge/run.ts";
import { addressOf } from "../pki/host-name.ts";
import type { EnrolledCredential, EnrollOperation, EstDeviceEnv, EstDeviceSettings } from "../protocols/est/index.ts";
import type { KeyKind } from "../protocols/ports.ts";
import { checkPskOptions, type PskOptions, pskTrust } from "./device-psk.ts";
import { addWatchOptions, checkWatchOptions, type WatchOptions, watch } from "./device-renewal.ts";
import { addTrustOptions, anchorsInWords, checkTrustOptions, type TrustOptions, trustOf } from "./device-trust.ts";
import { CliError } from "./errors.ts";
import { parseEstUrl } from "./est-url.ts";
import { fileTrouble, writeText } from "./files.ts";
import { brief, duration, shortTime } from "./format.ts";
import { example, invocationOf, seconds } from "./options.ts";
import { notice, print, printJson } from "./output.ts";
import { passwordFromFile } from "./password.ts";
import { addServerKeyOptions, checkServerKeyOptions, type ServerKeyOptions, serverKeySettings } from "./server-key.ts";

/** `hatchery device est`: this machine as an EST client, against any EST server. */
export function addDeviceEst(device: Command): void {
  const est = device
    .command("est")
    .description("get a certificate from an EST server, or renew it")
    .requiredOption("--url <url>", "the server: https://HOST:PORT, or https://HOST:PORT/LABEL")
    .option(
      "--ca <file>",
      "certificates in PEM that the server is trusted by, such as `hatchery ca export` prints; a renewal trusts what the last answer brought unless it is given",
    )
    .requiredOption("--out <directory>", "where key and certificate are kept")
    .option("--name <name>", "name to ask for, the common name of the certificate; not for a renewal")
    .option("--cert <file>", "the manufacturer's certificate of this device, with its chain, in PEM")
    .option("--key <file>", "the private key of --cert, in PEM")
    .option("--user <name>", "user name; the password comes from --password-file or from HATCHERY_PASSWORD")
    .option("--password-file <file>", "read the password from the first line of a file")
    .addOption(
      new Option(
        "--http-auth <how>",
        "how the password is proven: basic sends it to the server, digest never does, digest-md5 answers MD5 too where nothing better is offered",
      )
        .choices(["basic", "digest", "digest-md5"])
        .default("basic"),
    )
    .option("--psk <identity>", "identity of a pre-shared key that stands for --ca, --cert and --user")
    .option("--psk-file <file>", "read that key from the first line of a file: 64 or more hexadecimal digits")
    .option("--renew", "renew the certificate in --out")
    .option("--full-cmc", "ask in a signed Full PKI Request of CMC (EST's fullcmc) instead of a plain one")
    .addOption(
      new Option(
        "--key-kind <kind>",
        "kind of the new key; when left out and no key is kept, what the CA wants, or P-256",
      ).choices(keyKinds),
    )
    .addOption(
      new Option("--binding <when>", "channel binding in the request (RFC 7030 3.5)")
        .choices(["auto", "never"])
        .default("auto"),
    )
    .addOption(
      new Option("--csrattrs <when>", "ask the CA what it wants in requests (RFC 7030 4.5)")
        .choices(["ask", "never"])
        .default("ask"),
    )
    .option(
      "--address <addresses>",
      "IP addresses of this machine, for a CA that wants them in the certificate",
      addresses,
    )
    .option("--patience <seconds>", "how long to wait altogether for a decision", seconds, 7200)
    .option("--ledger <file>", "write what this end saw of the run, in JSON")
    .addHelpText(
      "after",
      example(
        "hatchery device est --url https://est.example:8443 --ca anchor.pem --cert idevid.pem --key idevid.key --name sensor-7 --out ./credential",
        "hatchery device est --url https://est.example:8443 --bootstrap --user lamp --name lamp --out ./credential",
        "hatchery device est --url https://est.example:8443 --renew --out ./credential",
        "hatchery device est --url https://est.example:8443 --renew --watch --exec /usr/local/bin/reload --out ./credential",
      ),
    )
    .action(async (options: EstOptions, command: Command) => {
      const done = await enrolled(options, invocationOf(command).json);
      if (done === undefined) return;
      if (invocationOf(command).json) return printJson(asJson(done, options));
      print(asText(done, options));
    });
  addTrustOptions(est);
  addServerKeyOptions(est);
  addWatchOptions(est);
}

interface EstOptions extends TrustOptions, ServerKeyOptions, PskOptions, WatchOptions {
  readonly url: string;
  readonly out: string;
  readonly name?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly httpAuth: "basic" | "digest" | "digest-md5";
  readonly renew?: boolean;
  readonly fullCmc?: boolean;
  readonly keyKind?: KeyKind;
  readonly csrattrs: "ask" | "never";
  readonly address?: readonly Uint8Array[];
  readonly binding: "auto" | "never";
  readonly patience: number;
  readonly ledger?: string;
}

/** Undefined after a device that went on renewing until it was told to end. */
async function enrolled(options: EstOptions, json: boolean): Promise<EnrolledCredential | undefined> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new CliError("interrupted", interrupted));
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  const settings = await settingsOf(options, interruption.signal).catch((error: unknown) => {
    throw fileInWords(error);
  });
  const [{ enroll }, { nodeEstEnv }] = await Promise.all([
    import("../protocols/est/index.ts"),
    import("../device/index.ts"),
  ]);
  let ledger: Run | undefined;
  const env = nodeEstEnv({
    directory: options.out,
    signal: interruption.signal,
    ledger: (run) => {
      ledger = run;
    },
    waiting: (pause, run, why) => notice(waiting(pause, run, why)),
    warning: notice,
  });
  try {
    await checkKeyKind(options, env.storage);
    if (options.watch === true) {
      const server = options.ca === undefined ? parseEstUrl(options.url) : settings.server;
      const { exec, out } = options;
      const renewal = { exec, directory: out, files: filesOf(out), json };
      const operation = options.fullCmc === true ? "fullcmc" : "simplereenroll";
      await watch({ ...settings, server, operation }, { ...env, signal: interruption.signal }, renewal);
      return undefined;
    }
    return await enroll(operationOf(options), settings, env);
  } catch (error) {
    if (interruption.signal.aborted && options.watch === true) return undefined;
    if (interruption.signal.aborted && (await env.storage.pendingKey()) === undefined)
      throw new CliError("interrupted", "interrupted; no key was made yet, so the same command begins anew");
    interruption.signal.throwIfAborted();
    throw options.renew === true ? withNextStep(error) : await anchorsInWords(error, options.out);
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    // A run that failed is the one whose ledger is looked at.
    if (options.ledger !== undefined && ledger !== undefined)
      await writeText(options.ledger, `${JSON.stringify(ledger)}\n`);
  }
}

/** A file that is not there is told as every other command tells it. */
function fileInWords(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!(cause instanceof Error && "path" in cause && typeof cause.path === "string")) return error;
  return new HatcheryError(codeOf(error), fileTrouble(cause.path, "read", cause), { cause: error });
}

/** A certificate that does not authenticate any more never will; what a device was admitted by at first may. */
function withNextStep(error: unknown): unknown {
  if (!(error instanceof HatcheryError) || error.details["status"] !== 401) return error;
  const sentence = `${error.message}; a certificate that is refused is not renewed: enrol anew without --renew, with --cert and --key or with --user`;
  return new HatcheryError(error.code, sentence, { cause: error, details: error.details });
}

async function settingsOf(options: EstOptions, signal: AbortSignal): Promise<EstDeviceSettings> {
  checkCombination(options);
  checkServerKeyOptions(options, options);
  checkPskOptions(options, options);
  const { url, out, name, cert, key, user, renew, keyKind, binding, patience } = options;
  const address = parseEstUrl(url);
  checkTrustOptions(options, options);
  checkWatchOptions(options, options);
  const { currentIdentity, deviceName, loadIdentity } = await import("../device/index.ts");
  const current = renew === true ? await currentIdentity(out) : undefined;
  if (renew === true && current === undefined)
    throw new CliError("nothing-there", `${out} holds no certificate to renew; get one first, without --renew`);
  const given = cert === undefined || key === undefined ? undefined : await loadIdentity(cert, key);
  return {
    server: { ...address, trust: (await pskTrust(options)) ?? (await trustOf(options, out, signal)) },
    redirect: options.redirect,
    // A renewal takes its names from the certificate that it renews.
    subject: deviceName(name ?? "renewal"),
    ...(keyKind === undefined ? {} : { keyKind }),
    csrattrs: options.csrattrs,
    ...(options.address === undefined ? {} : { addresses: options.address }),
    binding,
    httpAuthentication: options.httpAuth,
    patience: patience * 1000,
    ...(await serverKeySettings(options)),
    ...(current === undefined ? {} : { identity: { ...current, credential: "ldevid" } as const }),
    ...(given === undefined ? {} : { identity: { ...given, credential: "idevid" } as const }),
    ...(user === undefined ? {} : { credentials: { user, password: await password(options) } }),
  };
}

function operationOf({ renew, serverKey, fullCmc }: EstOptions): EnrollOperation {
  if (fullCmc === true) return "fullcmc";
  if (renew === true) return "simplereenroll";
  return serverKey === undefined ? "simpleenroll" : "serverkeygen";
}

function checkCombination({ name, cert, key, user, passwordFile, renew, serverKey, fullCmc }: EstOptions): void {
  const wrong = (sentence: string) => new CliError("usage", sentence);
  if ((cert === undefined) !== (key === undefined)) throw wrong("--cert and --key belong together; give both");
  if (cert !== undefined && user !== undefined) throw wrong("give either --cert and --key or --user, not both");
  if (passwordFile !== undefined && user === undefined) throw wrong("--password-file needs --user");
  if (fullCmc === true && serverKey !== undefined)
    throw wrong("--full-cmc asks for a certificate of the device's own key; leave --server-key out");
  if (renew === true && (cert !== undefined || user !== undefined || name !== undefined))
    throw wrong("--renew uses the certificate and the name in --out; leave --cert, --user and --name out");
  if (renew !== true && name === undefined) throw wrong("say with --name what the device shall be called");
}

/** A kept key is the one that is certified, so a wish for another kind must not be passed over in silence. */
async function checkKeyKind({ keyKind, out }: EstOptions, storage: EstDeviceEnv["storage"]): Promise<void> {
  const kept = keyKind === undefined ? undefined : await storage.pendingKey();
  if (kept === undefined || kept.kind === keyKind) return;
  const file = join(out, "pending-key.pem");
  const sentence = `${file} is the ${kept.kind} key of an enrolment that has not ended; leave --key-kind out to go on with it, or remove the file to begin anew`;
  throw new CliError("usage", sentence);
}

async function password({ passwordFile }: EstOptions): Promise<string> {
  if (passwordFile !== undefined) return passwordFromFile(passwordFile);
  const given = process.env["HATCHERY_PASSWORD"];
  if (given === undefined || given === "")
    throw new CliError("usage", "--user needs a password: give --password-file or set HATCHERY_PASSWORD");
  return given;
}

function addresses(text: string): readonly Uint8Array[] {
  return text.split(",").map((part) => {
    const address = addressOf(part.trim());
    if (address === undefined) throw new InvalidArgumentError(`"${part}" is no IP address.`);
    return address;
  });
}

function waiting(pause: number, run: string | undefined, why: "decision" | "busy"): string {
  if (why === "busy") return `the server is busy; asking again in ${duration(pause * 1000)}`;
  const how = run === undefined ? "" : `, who can run: hatchery approve ${brief(run)}`;
  return `waiting for a person at the server${how}; asking again in ${duration(pause * 1000)}`;
}

function filesOf(out: string) {
  const current = join(out, "current");
  const file = (name: string) => join(current, name);
  return { certificate: file("cert.pem"), chain: file("chain.pem"), key: file("key.pem"), authorities: file("ca.pem") };
}

function asJson({ certificate, run }: EnrolledCredential, { out }: EstOptions) {
  return { notAfter: certificate.notAfter, files: filesOf(out), ...(run === undefined ? {} : { run }) };
}

function asText({ certificate, run }: EnrolledCredential, { out, renew }: EstOptions): string {
  const { chain, key, authorities, certificate: file } = filesOf(out);
  const told = run === undefined ? "" : `, run ${brief(run)}`;
  return [
    `${renew === true ? "renewed" : "enrolled"}; valid until ${shortTime(certificate.notAfter)}${told}`,
    `  certificate  ${file}`,
    `  with chain   ${chain}`,
    `  private key  ${key}`,
    `  CA           ${authorities}`,
  ].join("\n");
}

const interrupted = "interrupted; the key is kept, so the same command goes on where this one ended";
const keyKinds = [
  "P-256",
  "P-384",
  "Ed25519",
  "RSA-2048",
  "RSA-3072",
  "RSA-4096",
] as const satisfies readonly KeyKind[];
