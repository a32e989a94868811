import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { type Command, Option } from "commander";
import { HatcheryError } from "../core/errors.ts";
import type { AnchorCandidate, EstDeviceSettings, EstTrust } from "../protocols/est/index.ts";
import { CliError } from "./errors.ts";
import { confirms, formatFingerprint, parseFingerprint } from "./fingerprint.ts";
import { brief } from "./format.ts";
import { notice } from "./output.ts";

/** Options of `device est` that say what the server is trusted by. */
export interface TrustOptions {
  readonly ca?: string;
  readonly implicit?: string;
  readonly fingerprint?: Uint8Array;
  readonly bootstrap?: boolean;
  readonly redirect: NonNullable<EstDeviceSettings["redirect"]>;
}

/** Adds all of them but `--ca` to a command. */
export function addTrustOptions(command: Command): Command {
  return command
    .option(
      "--implicit <roots>",
      "for the first time, trust the name in --url by these roots: a file in PEM, `system`, or `bundled` for those that came with Node.js",
    )
    .option(
      "--fingerprint <digest>",
      "for the first time, trust the CA certificate with this fingerprint: SHA256:AB:CD... or SHA512:...",
      parseFingerprint,
    )
    .option("--bootstrap", "for the first time, show the fingerprint of the server's CA and ask whether it is right")
    .addOption(
      new Option("--redirect <where>", "where a request may be redirected to (RFC 7030 3.2.1)")
        .choices(["same-origin", "other-origin"])
        .default("same-origin"),
    );
}

/** Throws CliError `usage` unless the server is trusted in exactly one way; a renewal has what the last answer brought. */
export function checkTrustOptions(
  { ca, implicit, fingerprint, bootstrap }: TrustOptions,
  { psk, renew }: { readonly psk?: string; readonly renew?: boolean },
): void {
  const wrong = (sentence: string) => new CliError("usage", sentence);
  const firstTime = [implicit, fingerprint, bootstrap].filter((each) => each !== undefined).length;
  if (renew === true && firstTime > 0)
    throw wrong("a renewal trusts what the last answer brought; leave --implicit, --fingerprint and --bootstrap out");
  const ways = firstTime + (ca === undefined ? 0 : 1) + (psk === undefined ? 0 : 1);
  if (ways > 1)
    throw wrong("give one of --ca, --implicit, --fingerprint, --bootstrap and --psk: each says alone what is trusted");
  if (ways === 0 && renew !== true)
    throw wrong(
      "give with --ca the CA certificate that the server is trusted by (there: hatchery ca export), or its --fingerprint",
    );
}

/** What `options` say, but for a key (`--psk`). Throws CliError `usage`, or what is wrong with a file. */
export async function trustOf(
  { ca, implicit, fingerprint, bootstrap }: TrustOptions,
  directory: string,
  signal: AbortSignal,
): Promise<EstTrust> {
  const { currentAnchors, estStorage, readAnchors, shippedAnchors } = await import("../device/index.ts");
  if (ca !== undefined) return { kind: "explicit", anchors: await readAnchors(ca) };
  if (implicit !== undefined) {
    const isShipped = implicit === "system" || implicit === "bundled";
    return { kind: "implicit", anchors: isShipped ? shippedAnchors(implicit) : await readAnchors(implicit) };
  }
  if (fingerprint !== undefined) return { kind: "fingerprint", fingerprint };
  if (bootstrap !== true) return { kind: "explicit", anchors: (await currentAnchors(directory)) ?? [] };
  const isKept = (await estStorage(directory).anchors()) !== undefined;
  if (isKept)
    notice(
      `nobody is asked: the device trusts the anchors in ${await anchorsFileIn(directory)} already; begin anew in another directory`,
    );
  // Before anything is sent, and only when there is something to ask.
  if (!process.stdin.isTTY && !isKept)
    throw new CliError("usage", "--bootstrap asks a person, and there is no terminal; give --fingerprint instead");
  return { kind: "confirm", confirm: (candidate) => confirmed(candidate, process.stdin, process.stderr, signal) };
}

/** Says of kept anchors in which file they are. */
export async function anchorsInWords(error: unknown, directory: string): Promise<unknown> {
  if (!(error instanceof HatcheryError) || error.code !== "fingerprint-not-kept") return error;
  const sentence = `${error.message}; the anchors are in ${await anchorsFileIn(directory)}`;
  return new HatcheryError(error.code, sentence, { cause: error });
}

async function anchorsFileIn(directory: string): Promise<string> {
  const { currentAnchors } = await import("../device/index.ts");
  const isWithCertificate = (await currentAnchors(directory)) !== undefined;
  return join(directory, ...(isWithCertificate ? ["current"] : []), "anchors.pem");
}

/** Asks at a terminal whether this is the CA; anything but a yes is a no. Throws CliError `interrupted`. */
export async function confirmed(
  { sha256, sha512, certificate }: AnchorCandidate,
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<boolean> {
  const { parseCertificate } = await import("../pki/certificate.ts");
  const { formatName } = await import("../pki/name.ts");
  output.write(
    [
      "Nobody vouches for this server yet. The certificate of its CA, as it says:",
      `  name         ${brief(formatName(parseCertificate(certificate).subject))}`,
      `  fingerprint  ${formatFingerprint("SHA256", sha256)}`,
      `               ${formatFingerprint("SHA512", sha512)}`,
      "Compare it with what the server's operator tells you, not with anything that the server sent.",
      "",
    ].join("\n"),
  );
  const terminal = createInterface({ input, output, terminal: false });
  try {
    const answer = await new Promise<string>((resolve, reject) => {
      const leave = () =>
        reject(new CliError("interrupted", "interrupted; the device trusts nobody, and nothing was changed"));
      terminal.on("SIGINT", leave).on("close", leave);
      terminal.question("Is it the same? Type yes, or paste the fingerprint: ", { signal }).then(resolve, reject);
    });
    return confirms(answer, [sha256, sha512]);
  } finally {
    terminal.close();
  }
}
