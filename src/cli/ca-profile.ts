import { type Command, InvalidArgumentError, Option } from "commander";
import type { Profile } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { purposes, settingRows } from "./details.ts";
import { CliError } from "./errors.ts";
import { duration } from "./format.ts";
import { days, example, type Invocation, invocationOf, seconds } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca profile list|show|set|remove`: what the labels of a protocol issue. */
export function addCaProfiles(ca: Command): void {
  const profile = ca.command("profile").description("profiles: what certificates hold and when they are renewed");

  profile
    .command("list")
    .description("list the profiles; devices ask for `device` unless they name a label")
    .addHelpText("after", example("hatchery ca profile list"))
    .action(async (_: unknown, command: Command) => list(invocationOf(command)));

  profile
    .command("show")
    .description("show the settings of a profile")
    .argument("<profile>", "its name")
    .addHelpText("after", example("hatchery ca profile show device"))
    .action(async (name: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      await show(await tenantApi(invocation).get<Profile>(`/ca/profiles/${segment(name)}`), invocation);
    });

  profile
    .command("set")
    .description("change a profile, or make one that devices ask for by the EST label of its name")
    .argument("<profile>", "its name, and its label: https://HOST:PORT/.well-known/est/NAME/")
    .option("--lifetime <days>", "validity in days, or `endless` for no well-defined expiry", lifetime)
    .option("--backdate <seconds>", "how long before its issue a certificate begins", seconds)
    .option("--keys <kinds>", `kinds of key: ${keyKinds.join(", ")}`, listOf(keyKinds))
    .option("--least-rsa-bits <bits>", "smallest RSA keys", bits)
    .option("--key-usage <usages>", `keyUsage: ${keyUsages.join(", ")}`, listOf(keyUsages))
    .option(
      "--ext-key-usage <purposes>",
      `${[...purposes.keys()].join(", ")}, others in dotted form, or none`,
      purposeList,
    )
    .option("--alternative-names <kinds>", "names that a request may ask for: dNSName, iPAddress, or none", nameKinds)
    .option(
      "--subject <attributes...>",
      "of every certificate, such as organizationName=Acme; serialNumber or commonName to ask devices for it; or none",
    )
    .option(
      "--request-extensions <extensions>",
      `extensions to ask devices for: ${requestExtensions.join(", ")}, or none`,
      extensionKinds,
    )
    .addOption(
      new Option("--csrattrs <form>", "form in which devices are told what requests are to hold").choices(
        csrattrsForms,
      ),
    )
    .option("--renew-after <percent>", "share of its validity that a certificate has to be old to be renewed", percent)
    .option("--grace <days>", "days after its end in which a certificate may still be renewed", days)
    .addOption(new Option("--same-key <when>", "whether a renewal may keep the key").choices(["allowed", "refused"]))
    .addOption(
      new Option(
        "--binding <when>",
        "the channel binding in a request (RFC 7030 3.5): verified when it is there, or demanded",
      ).choices(["accepted", "required"]),
    )
    .option(
      "--registration-authority <pattern>",
      "device names that holders may ask for as registration authorities (cmcRA), or none; * stands for any characters",
    )
    .addOption(
      new Option(
        "--server-key <kind>",
        "key that the service makes for a device that asks for one (EST's serverkeygen)",
      ).choices(["none", "P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072"]),
    )
    .addOption(
      new Option("--change-subject-name <when>", "whether a renewal may ask for other names (RFC 6402)").choices([
        "refused",
        "allowed",
      ]),
    )
    .addOption(
      new Option("--fullcmc <when>", "whether Full PKI Requests are answered (EST's fullcmc)").choices([
        "refused",
        "allowed",
      ]),
    )
    .addHelpText(
      "after",
      example(
        "hatchery ca profile set device --lifetime 90 --renew-after 66",
        "hatchery ca profile set gateways --lifetime 365 --keys P-256,P-384 --ext-key-usage clientAuth,serverAuth",
      ),
    )
    .action(async (name: string, options: SetOptions, command: Command) => {
      const invocation = invocationOf(command);
      const changes = changesOf(options);
      if (Object.keys(changes).length === 0) throw new CliError("usage", "say what to set; see --help");
      await show(await tenantApi(invocation).put<Profile>(`/ca/profiles/${segment(name)}`, changes), invocation);
    });

  profile
    .command("remove")
    .description("remove a profile, or give a built-in one its settings back; certificates stay as they are")
    .argument("<profile>", "its name")
    .addHelpText("after", example("hatchery ca profile remove gateways"))
    .action(async (name: string, _: unknown, command: Command) => {
      const invocation = invocationOf(command);
      const removed = await tenantApi(invocation).remove<{ readonly name: string }>(`/ca/profiles/${segment(name)}`);
      if (invocation.json) return printJson(removed);
      print(builtIn.has(removed.name) ? `${removed.name} is as it was built in` : removedText(removed.name));
    });
}

interface SetOptions {
  readonly lifetime?: number | "endless";
  readonly backdate?: number;
  readonly keys?: readonly string[];
  readonly leastRsaBits?: number;
  readonly keyUsage?: readonly string[];
  readonly extKeyUsage?: readonly string[];
  readonly alternativeNames?: readonly string[];
  readonly subject?: readonly string[];
  readonly requestExtensions?: readonly string[];
  readonly csrattrs?: string;
  readonly renewAfter?: number;
  readonly grace?: number;
  readonly sameKey?: "allowed" | "refused";
  readonly binding?: "accepted" | "required";
  readonly registrationAuthority?: string;
  readonly serverKey?: string;
  readonly changeSubjectName?: "refused" | "allowed";
  readonly fullcmc?: "refused" | "allowed";
}

function changesOf(options: SetOptions): object {
  const { lifetime: time, backdate, keys, leastRsaBits, keyUsage, extKeyUsage, alternativeNames, subject } = options;
  const { renewAfter, grace, sameKey, binding, registrationAuthority: names, serverKey } = options;
  const renewal = present({
    after: renewAfter,
    grace: grace === undefined ? undefined : grace * day,
    sameKey: sameKey === undefined ? undefined : sameKey === "allowed",
  });
  return present({
    lifetime: typeof time === "number" ? time * day : time,
    backdate: backdate === undefined ? undefined : backdate * 1000,
    keys,
    leastRsaBits,
    keyUsage,
    extKeyUsage,
    subjectAltName: alternativeNames,
    subject: subject === undefined ? undefined : subjectAttributes(subject),
    requestExtensions: options.requestExtensions,
    csrattrs: options.csrattrs,
    renewal: Object.keys(renewal).length === 0 ? undefined : renewal,
    binding,
    registrationAuthority: names === "none" ? "" : names,
    serverKey,
    changeSubjectName: options.changeSubjectName,
    fullcmc: options.fullcmc,
  });
}

async function list(invocation: Invocation): Promise<void> {
  const { items } = await tenantApi(invocation).get<{ readonly items: readonly Profile[] }>("/ca/profiles");
  if (invocation.json) return printJson({ items });
  const { table } = await import("./table.ts");
  const rows = items.map(({ name, protocol, label, settings }) => [
    name,
    label === undefined ? "-" : `${protocol} ${label}`,
    lifetimeText(settings.lifetime),
    settings.keys.join(", "),
  ]);
  print(table(["profile", "label", "lifetime", "keys"], rows, { wraps: ["lifetime", "keys"] }));
}

async function show(profile: Profile, invocation: Invocation): Promise<void> {
  if (invocation.json) return printJson(profile);
  const { name, protocol, label, settings, privilege } = profile;
  const { table } = await import("./table.ts");
  const rows = [["label", label === undefined ? "none" : `${protocol} ${label}`], ...settingRows(settings)];
  print(table([name, ""], rows, { wraps: [""] }));
  // Nobody asks for `server`.
  if (privilege !== undefined && (label !== undefined || name === "device"))
    print(`its certificates are for ${privilege}: besides renewals, only rules that name it admit to it, such as
  hatchery rule add allow --profile ${name} --user NAME`);
}

function removedText(name: string): string {
  return `removed the profile ${name}
its certificates stay good until they end, and cannot be renewed: the label ${name} is answered with 404`;
}

function lifetimeText(time: number | "endless"): string {
  return time === "endless" ? "no well-defined expiry" : duration(time);
}

function present(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function lifetime(text: string): number | "endless" {
  if (text === "endless") return text;
  if (Number(text) === 0) throw new InvalidArgumentError("give a number of days from 1 to 36525, or endless.");
  return days(text);
}

function percent(text: string): number {
  if (!/^\d{1,2}$/.test(text) || Number(text) > 95) throw new InvalidArgumentError("give a whole number from 0 to 95.");
  return Number(text) / 100;
}

function bits(text: string): number {
  if (!/^\d{4}$/.test(text) || Number(text) < 2048 || Number(text) > 8192)
    throw new InvalidArgumentError("give a number of bits from 2048 to 8192.");
  return Number(text);
}

/** Words with commas between them, each one of `choices`. */
function listOf(choices: readonly string[]): (text: string) => readonly string[] {
  return (text) => {
    const parts = text.split(",").map((part) => part.trim());
    const wrong = parts.find((part) => !choices.includes(part));
    if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${choices.join(", ")}.`);
    return parts;
  };
}

function nameKinds(text: string): readonly string[] {
  return text === "none" ? [] : listOf(["dNSName", "iPAddress"])(text);
}

function extensionKinds(text: string): readonly string[] {
  return text === "none" ? [] : listOf(requestExtensions)(text);
}

function subjectAttributes(parts: readonly string[]): readonly object[] {
  if (parts.length === 1 && parts[0] === "none") return [];
  return parts.map((part) => {
    const [type = "", ...rest] = part.split("=");
    const isShared = sharedAttributes.includes(type);
    if (isShared !== rest.length > 0 || !(isShared || type === "commonName" || type === "serialNumber"))
      throw new CliError(
        "usage",
        `"${part}" is neither serialNumber nor commonName, nor one of ${sharedAttributes.join(", ")} with = and a value`,
      );
    return isShared ? { type, value: rest.join("=") } : { type };
  });
}

function purposeList(text: string): readonly string[] {
  if (text === "none") return [];
  return text.split(",").map((part) => {
    const purpose = purposes.get(part.trim()) ?? part.trim();
    if (!/^[0-2](?:\.(?:0|[1-9]\d{0,9})){1,20}$/.test(purpose))
      throw new InvalidArgumentError(
        `"${purpose}" is neither an object identifier such as 1.3.6.1.5.5.7.3.17 nor one of ${[...purposes.keys()].join(", ")}.`,
      );
    return purpose;
  });
}

const keyKinds = ["P-256", "P-384", "P-521", "Ed25519", "RSA"];
/** Those of RFC 5280 4.2.1.3 that are no CA's. */
const keyUsages = ["digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"];
/** Those of a subject that many devices have alike. */
const sharedAttributes = [
  "countryName",
  "stateOrProvinceName",
  "localityName",
  "organizationName",
  "organizationalUnitName",
];
const requestExtensions = ["subjectAltName", "keyUsage", "extKeyUsage"];
const csrattrsForms = ["none", "attributes", "template", "both"];
const builtIn: ReadonlySet<string> = new Set(["device", "server"]);
const day = 24 * 3600 * 1000;
