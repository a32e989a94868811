import type { Command } from "commander";
import type { Rollover } from "./answers.ts";
import { tenantApi } from "./api.ts";
import { shortTime } from "./format.ts";
import { example, type Invocation, invocationOf } from "./options.ts";
import { print, printJson } from "./output.ts";

/** `hatchery ca rollover begin|switch|finish|status`: from one generation of root and issuing CA to the next. */
export function addCaRollover(ca: Command): void {
  const rollover = ca
    .command("rollover")
    .description("move devices from the root that they trust to the next one: begin, switch, finish");

  rollover
    .command("status")
    .description("how far it is, and how many devices have not left the former CA yet")
    .addHelpText("after", example("hatchery ca rollover status"))
    .action(async (_: unknown, command: Command) => {
      const invocation = invocationOf(command);
      await show(await tenantApi(invocation).get<Rollover>("/ca/rollover"), invocation);
    });

  rollover
    .command("begin")
    .description("make the next root and issuing CA; devices that ask are given both roots from now on")
    .addHelpText("after", example("hatchery ca rollover begin"))
    .action(async (_: unknown, command: Command) => step({ step: "begin" }, invocationOf(command)));

  rollover
    .command("switch")
    .description("issue from the next CA from now on; certificates of the former one are still accepted")
    .addHelpText("after", example("hatchery ca rollover switch"))
    .action(async (_: unknown, command: Command) => step({ step: "switch" }, invocationOf(command)));

  rollover
    .command("finish")
    .description("end the former CA: its root is given to nobody and its certificates are not accepted any more")
    .option("--force", "also while devices have not renewed: they are left behind")
    .addHelpText("after", example("hatchery ca rollover finish"))
    .action(async ({ force }: { readonly force?: boolean }, command: Command) =>
      step({ step: "finish", force: force === true }, invocationOf(command)),
    );
}

async function step(body: object, invocation: Invocation): Promise<void> {
  await show(await tenantApi(invocation).post<Rollover>("/ca/rollover", body), invocation);
}

async function show(rollover: Rollover, invocation: Invocation): Promise<void> {
  if (invocation.json) return printJson(rollover);
  const { table } = await import("./table.ts");
  const { phase, authorities, left } = rollover;
  const rows = authorities.map(({ name, role, state, notAfter, keyIdentifier, subject }) => [
    name,
    role,
    state,
    shortTime(notAfter),
    // The generations of a root have one name, and so have the cross certificates.
    keyIdentifier.slice(0, 8),
    subject,
  ]);
  print(
    `${table(["certificate", "role", "state", "until", "key", "subject"], rows, { wraps: ["until", "subject"] })}\n`,
  );
  if (left !== undefined && left > 0)
    print(`${left === 1 ? "1 device is" : `${left} devices are`} left behind with certificates of the former CA`);
  print(sentences[phase](rollover));
}

const sentences: { readonly [phase in Rollover["phase"]]: (rollover: Rollover) => string } = {
  none: () => "no roll-over is under way",
  begun: ({ current, devices }) =>
    `begun: devices learn the next root when they renew; ${current} of ${devices} have a certificate of the CA that goes\nwhen devices have had the time to renew, go on with: hatchery ca rollover switch`,
  switched: ({ current, devices, authorities, leaving }) => {
    const former = authorities.find(({ name, role }) => role === "issuing" && leaving.includes(name))?.name;
    const then = "end it with: hatchery ca rollover finish";
    const next =
      current === 0 || former === undefined
        ? then
        : `see which with: hatchery ca certificates --by ${former} --current\nwhen they have renewed, ${then}`;
    return `switched: the next CA issues; ${current} of ${devices} devices have not left the former one yet\n${next}`;
  },
};
