import type { Command } from "commander";
import type { UpstreamStatus } from "../service/upstream-status.ts";
import { tenantApi } from "./api.ts";
import { certificatesFrom, privateKeyFrom } from "./ca-files.ts";
import { CliError } from "./errors.ts";
import { printable, shortTime } from "./format.ts";
import { example, type Invocation, invocationOf } from "./options.ts";
import { notice, print, printJson } from "./output.ts";
import { secretFrom } from "./secret.ts";

/** `hatchery ca upstream set|show|test|remove`: another CA, reached by EST, that certifies what is admitted here. */
export function addCaUpstream(ca: Command): void {
  const upstream = ca.command("upstream").description("let another CA, reached by EST, issue to the tenant's devices");

  upstream
    .command("set")
    .description("take an upstream CA into use, once it has answered; approvals, runs and audit stay here")
    .requiredOption(
      "--url <url>",
      "of its EST server: https://HOST/.well-known/est or https://HOST/.well-known/est/LABEL",
    )
    .requiredOption(
      "--anchor <file>",
      "its root in PEM or DER, which its server and all that it issues have to lead to",
    )
    .option("--user <name>", "user name there; the password is asked for")
    .option("--password-file <file>", "read the password from the first line of a file")
    .option("--cert <file>", "certificate of a registration authority there, and its issuers, in PEM")
    .option("--key <file>", "its private key in PEM, perhaps encrypted")
    .option("--passphrase-file <file>", "read the key's passphrase from the first line of a file")
    .option("--force", "also when the tenant's root cannot certify the upstream's: devices need both roots by then")
    .addHelpText(
      "after",
      example(
        "hatchery ca upstream set --url https://est.example/.well-known/est --anchor root.pem --user hatchery",
        "hatchery ca upstream set --url https://est.example/.well-known/est --anchor root.pem --cert ra.pem --key ra.key",
      ),
    )
    .action(async (options: SetOptions, command: Command) => {
      const invocation = invocationOf(command);
      const { url, force = false } = options;
      const anchor = await certificatesFrom(options.anchor);
      const body = { url, anchor, credential: await credential(options), force };
      show(await tenantApi(invocation).put<UpstreamStatus>("/ca/upstream", body), invocation);
      notice(loginUntested);
    });

  upstream
    .command("show")
    .description("show the upstream CA, and why it could not be used the last time")
    .addHelpText("after", example("hatchery ca upstream show"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      show(await tenantApi(invocation).get<UpstreamStatus>("/ca/upstream"), invocation);
    });

  upstream
    .command("test")
    .description("ask the upstream's server for its CA and hold it against the anchor; nothing is issued")
    .addHelpText("after", example("hatchery ca upstream test"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      show(await tenantApi(invocation).post<UpstreamStatus>("/ca/upstream/test", {}), invocation);
      notice(loginUntested);
    });

  upstream
    .command("remove")
    .description("let the tenant's own CA issue again; what the upstream issued stays good")
    .addHelpText("after", example("hatchery ca upstream remove"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly url: string }>("/ca/upstream");
      if (invocation.json) return printJson(removed);
      print(printable(`${removed.url} certifies no more; the tenant's own CA issues`));
    });
}

interface SetOptions {
  readonly url: string;
  readonly anchor: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly passphraseFile?: string;
  readonly force?: boolean;
}

async function credential({ user, passwordFile, cert, key, passphraseFile }: SetOptions) {
  if (user !== undefined && cert === undefined && key === undefined) {
    const password = await secretFrom({
      file: passwordFile,
      variable: "HATCHERY_UPSTREAM_PASSWORD",
      question: `password of ${user} at the upstream: `,
      option: "--password-file",
    });
    return { kind: "password", user, password };
  }
  if (user === undefined && cert !== undefined && key !== undefined)
    return {
      kind: "certificate",
      certificate: await certificatesFrom(cert),
      key: await privateKeyFrom(key, passphraseFile),
    };
  throw new CliError("usage", "say who this service is at the upstream: give either --user, or --cert and --key");
}

/** An upstream is asked for its CA without a login (RFC 7030 4.1), and nothing is enrolled for trial. */
const loginUntested = "the login was not tested: it is used with the first device";

function show(status: UpstreamStatus, invocation: Invocation): void {
  if (invocation.json) {
    printJson(status);
    return;
  }
  const { url, credential, anchors, authorities, crossCertified, failure } = status;
  const certificate = ({ subject, notAfter }: { readonly subject: string; readonly notAfter: number }) =>
    `${subject} (until ${shortTime(notAfter)})`;
  const lines = [
    `upstream ${url}`,
    credential.kind === "password" ? `as user ${credential.user}` : `as ${certificate(credential)}`,
    ...(credential.kind === "certificate" && credential.registrationAuthority
      ? []
      : [
          "  requests that are bound to the device's connection cannot be passed on: that takes a certificate with id-kp-cmcRA",
        ]),
    ...anchors.map((each) => `anchor ${certificate(each)}`),
    ...authorities.map((each) => `CA ${certificate(each)}`),
    ...(crossCertified
      ? []
      : ["  devices have to be given the upstream's root: the key of this tenant's root is not here"]),
    ...(failure === undefined ? [] : [`could not be used at ${shortTime(failure.at)}: ${failure.reason}`]),
  ];
  print(lines.map(printable).join("\n"));
}
