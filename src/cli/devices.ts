import type { Command } from "commander";
import type { Device, WholeDevice } from "./answers.ts";
import { segment, tenantApi } from "./api.ts";
import { brief, shortTime } from "./format.ts";
import { count, example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";
import { runRows, runTitles, runWraps } from "./runs.ts";

/** `hatchery devices [DEVICE]`: the inventory, or all that is known of one device. */
export function addDevices(program: Command): void {
  program
    .command("devices")
    .description("list the devices, or show one of them")
    .argument("[device]", "id, serial number or name of one device")
    .option("--search <text>", "only devices whose name or identity begins with this")
    .option("--limit <number>", "list so many at most", count, 100)
    .addHelpText("after", example("hatchery devices --search sensor-", "hatchery devices sensor-7"))
    .action(async (device: string | undefined, options: ListOptions, command: Command) => {
      const invocation = invocationOf(command);
      await (device === undefined ? list(options, invocation) : show(device, invocation));
    });
}

interface ListOptions {
  readonly search?: string;
  readonly limit: number;
}

async function list({ search, limit }: ListOptions, invocation: Invocation): Promise<void> {
  const listing = await tenantApi(invocation).list<Device>("/devices", limit, { search });
  if (invocation.json) return printJson(listing);
  if (listing.items.length === 0) return print(search === undefined ? none : `no device begins with ${search}`);
  const { table } = await import("./table.ts");
  const rows = listing.items.map(({ name, lifecycle, updated, id }) => [
    brief(name),
    lifecycle,
    shortTime(updated),
    id,
  ]);
  print(table(["device", "state", "changed", "id"], rows, { wraps: ["device", "changed"] }));
  if (listing.more) print(`only the first ${limit} are shown; see more with --limit, or fewer with --search`);
}

async function show(name: string, invocation: Invocation): Promise<void> {
  const device = await tenantApi(invocation).get<WholeDevice>(`/devices/${segment(name)}`);
  if (invocation.json) return printJson(device);
  const { table } = await import("./table.ts");
  const { identities, certificates, runs } = device;
  const parts = [
    table(
      [device.name, device.lifecycle],
      [
        ["id", device.id],
        ["known since", shortTime(device.created)],
      ],
    ),
    table(
      ["identity", "value", "proven by", "issuer"],
      identities.map(({ kind, value, provenBy, issuer }) => [kind, brief(value), provenBy, issuer ?? "-"]),
      { wraps: ["value"] },
    ),
    table(
      ["certificate", "profile", "until", "subject"],
      certificates.map(({ serial, profile, notAfter, subject }) => [
        serial,
        profile,
        shortTime(notAfter),
        brief(subject),
      ]),
      { wraps: ["until", "subject"] },
    ),
    table(runTitles, runRows(runs), { wraps: runWraps }),
  ];
  const filled = [true, identities.length > 0, certificates.length > 0, runs.length > 0];
  print(parts.filter((_, index) => filled[index]).join("\n"));
}

const none = "there are no devices yet; claim one with: hatchery claim SERIAL";
