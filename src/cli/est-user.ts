import type { Command } from "commander";
import { systemRandomness } from "../core/randomness.ts";
import type { EstUser } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { CliError } from "./errors.ts";
import { addEstKeys } from "./est-key.ts";
import { addEstPsks } from "./est-psk.ts";
import { printable, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";
import { passwordFromFile, passwordFromInput } from "./password.ts";

/** `hatchery est user add|list|remove`: who may enrol devices with a user name and a password. */
export function addEstUsers(program: Command): void {
  const est = program
    .command("est")
    .description("settings of the EST server")
    .addHelpText("after", example("hatchery est user add line-3 --devices 'sensor-*'"));
  addEstKeys(est);
  addEstPsks(est);
  const users = est.command("user").description("users of EST's HTTP authentication");

  users
    .command("add")
    .description("add a user, or give it a new password; without a password option one is made and printed once")
    .argument("<name>", "user name")
    .option("--devices <pattern>", "device names that it may enrol, its own when left out; * stands for any characters")
    .option("--digest", "let it use HTTP Digest (SHA-256) as well; see docs/est.md for what is kept for that")
    .option("--digest-md5", "let it use HTTP Digest with MD5 too, for clients that know nothing else")
    .option("--password-file <file>", "read the password from the first line of a file")
    .option("--password-stdin", "read the password from the first line of standard input")
    .addHelpText("after", example("hatchery est user add line-3 --devices 'sensor-*'"))
    .action(async (name: string, options: AddOptions, command: Command) => add(name, options, invocationOf(command)));

  users
    .command("list")
    .description("list the users")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText("after", example("hatchery est user list"))
    .action(async ({ limit }: { readonly limit: number }, command: Command) => list(limit, invocationOf(command)));

  users
    .command("remove")
    .description("remove a user; certificates that it enrolled stay valid")
    .argument("<name>", "user name")
    .addHelpText("after", example("hatchery est user remove line-3"))
    .action(async (name: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly name: string }>(`/est-users/${segment(name)}`);
      if (invocation.json) return printJson(removed);
      print(printable(`removed the EST user ${removed.name}`));
    });
}

interface AddOptions {
  readonly devices?: string;
  readonly digest?: boolean;
  readonly digestMd5?: boolean;
  readonly passwordFile?: string;
  readonly passwordStdin?: boolean;
}

async function add(name: string, options: AddOptions, invocation: Invocation): Promise<void> {
  const { devices = name, passwordFile, passwordStdin } = options;
  if (passwordFile !== undefined && passwordStdin === true)
    throw new CliError("usage", "give either --password-file or --password-stdin, not both");
  const given = passwordFile === undefined ? undefined : await passwordFromFile(passwordFile);
  const typed = passwordStdin === true ? await passwordFromInput() : undefined;
  // Made here, so that it is in no store and no log, and shown to the one who asked for it.
  const made = given === undefined && typed === undefined ? newPassword() : undefined;
  const digest = options.digestMd5 === true ? "md5" : options.digest === true ? "sha-256" : undefined;
  const path = `/est-users/${segment(name)}`;
  const password = given ?? typed ?? made;
  const added = await tenantApi(invocation).put<{ readonly name: string }>(path, {
    password,
    devices,
    ...(digest === undefined ? {} : { digest }),
  });
  if (invocation.json) return printJson({ ...added, devices, ...(made === undefined ? {} : { password: made }) });
  print(
    printable(`the EST user ${added.name} may enrol ${devices === "*" ? "any device" : `devices named ${devices}`}`),
  );
  if (made !== undefined)
    print(`password: ${made}\nIt is shown this once and kept nowhere in clear; note it down now.`);
}

async function list(limit: number, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<EstUser>("/est-users", limit);
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print("there are no EST users; add one with: hatchery est user add NAME");
  const { table } = await import("./table.ts");
  const rows = listing.items.map(({ name, devices, digest, created }) => [
    name,
    devices,
    digest === undefined ? "-" : digests[digest],
    shortTime(created),
  ]);
  print(table(["user", "devices", "digest", "since"], rows));
  if (listing.more) print(`only the first ${limit} are shown; see more with --limit`);
}

/** 26 letters and digits of 5 bits each: 130 bits, without the letters that are taken for digits. */
function newPassword(): string {
  return Array.from(systemRandomness.bytes(26), (byte) => passwordAlphabet.charAt(byte & 31)).join("");
}

const digests = { "sha-256": "SHA-256", md5: "SHA-256, MD5" } as const;
const passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789";
