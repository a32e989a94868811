import { fromHex } from "../core/bytes.ts";
import type { EstTrust } from "../protocols/est/index.ts";
import { CliError } from "./errors.ts";
import { passwordFromFile } from "./password.ts";

export interface PskOptions {
  readonly psk?: string;
  readonly pskFile?: string;
}

/** The key that `--psk` names, which stands for every other proof; undefined without it. Throws CliError `usage`. */
export async function pskTrust({ psk, pskFile }: PskOptions): Promise<EstTrust | undefined> {
  if (psk === undefined || pskFile === undefined) return undefined;
  const key = fromHex(await passwordFromFile(pskFile));
  if (key === undefined)
    throw new CliError(
      "usage",
      `the first line of ${pskFile} is no key in hexadecimal digits; there: hatchery est psk add`,
    );
  return { kind: "psk", identity: psk, key };
}

/** Throws CliError `usage` for options that contradict each other. */
export function checkPskOptions(
  { psk, pskFile }: PskOptions,
  others: { readonly ca?: string; readonly cert?: string; readonly user?: string; readonly renew?: boolean },
): void {
  if ((psk === undefined) !== (pskFile === undefined))
    throw new CliError("usage", "--psk and --psk-file belong together; give both");
  const { ca, cert, user, renew } = others;
  if (psk !== undefined && [ca, cert, user, renew].some((other) => other !== undefined))
    throw new CliError("usage", "--psk proves both ends; leave --ca, --cert, --user and --renew out");
}
