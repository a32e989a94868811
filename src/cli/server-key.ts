import { type Command, Option } from "commander";
import { fromHex } from "../core/bytes.ts";
import type { EstDeviceSettings } from "../protocols/est/index.ts";
import { CliError } from "./errors.ts";
import { keyFromFile } from "./est-key.ts";

/** Options of `device est` for a key that the server makes. */
export interface ServerKeyOptions {
  readonly serverKey?: "plain" | "certificate" | "symmetric";
  readonly decryptKey?: string;
  readonly decryptKeyFile?: string;
}

/** Adds them to a command. */
export function addServerKeyOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--server-key [encryption]",
        "let the server make the key (RFC 7030 4.4), which TLS keeps secret, or encrypted for --cert or under --decrypt-key as well",
      )
        .choices(["plain", "certificate", "symmetric"])
        .preset("plain"),
    )
    .option("--decrypt-key <name>", "what the server calls the key in --decrypt-key-file; there: hatchery est key add")
    .option("--decrypt-key-file <file>", "read the symmetric key from the first line of a file, in hexadecimal");
}

/** Throws CliError `usage` for options that do not go together. */
export function checkServerKeyOptions(
  { serverKey, decryptKey, decryptKeyFile }: ServerKeyOptions,
  { cert, keyKind, renew }: { readonly cert?: string; readonly keyKind?: string; readonly renew?: boolean },
): void {
  const wrong = (sentence: string) => new CliError("usage", sentence);
  if (serverKey !== "symmetric" && (decryptKey !== undefined || decryptKeyFile !== undefined))
    throw wrong("--decrypt-key and --decrypt-key-file go with --server-key symmetric");
  if (serverKey === undefined) return;
  if (renew === true) throw wrong("a renewal makes its own key; leave --server-key out, or enrol anew");
  if (keyKind !== undefined) throw wrong("the server chooses the kind of the keys that it makes; leave --key-kind out");
  if (serverKey === "certificate" && cert === undefined)
    throw wrong("--server-key certificate needs --cert, whose key the server's is encrypted for");
  if (serverKey === "symmetric" && (decryptKey === undefined || decryptKeyFile === undefined))
    throw wrong("--server-key symmetric needs --decrypt-key and --decrypt-key-file");
}

/** How the key is to be encrypted; nothing without the options. Throws CliError `file-unreadable` or `usage`. */
export async function serverKeySettings({
  serverKey,
  decryptKey,
  decryptKeyFile,
}: ServerKeyOptions): Promise<Pick<EstDeviceSettings, "serverKey">> {
  if (serverKey === undefined) return {};
  if (serverKey === "certificate") return { serverKey: { kind: "certificate" } };
  if (decryptKey === undefined || decryptKeyFile === undefined) return { serverKey: { kind: "none" } };
  const key = fromHex(await keyFromFile(decryptKeyFile)) ?? new Uint8Array(0);
  return { serverKey: { kind: "symmetric", identifier: decryptKey, key } };
}
