import { messageOf } from "../core/errors.ts";
import { CliError } from "./errors.ts";
import { readSmallFile } from "./files.ts";
import { secretFrom } from "./secret.ts";

/** A file of certificates as the API wants it: PEM; one certificate in DER is converted. Throws `file-unreadable`. */
export async function certificatesFrom(file: string): Promise<string> {
  const bytes = await readSmallFile(file, longestFile);
  // A certificate in DER begins with the tag of a SEQUENCE, which no PEM text begins with.
  if (bytes[0] !== 0x30) return bytes.toString("utf8");
  const { encodePem } = await import("../encoding/pem.ts");
  return encodePem("CERTIFICATE", bytes);
}

/**
 * The private key of a PEM file, not encrypted. One that is encrypted is opened here, so that neither it nor its passphrase goes
 * further than this process; the passphrase comes from `passphraseFile`, the environment or the terminal.
 */
export async function privateKeyFrom(file: string, passphraseFile: string | undefined): Promise<string> {
  const pem = (await readSmallFile(file, longestFile)).toString("utf8");
  const { decryptPrivateKey, isEncryptedPrivateKey } = await import("../crypto/encrypted-private-key.ts");
  if (!isEncryptedPrivateKey(pem)) return pem;
  const passphrase = await secretFrom({
    file: passphraseFile,
    variable: "HATCHERY_KEY_PASSPHRASE",
    question: `passphrase of ${file}: `,
    option: "--passphrase-file",
  });
  const { privateKeyToPem } = await import("../crypto/keys.ts");
  try {
    return privateKeyToPem(decryptPrivateKey(pem, passphrase));
  } catch (cause) {
    throw new CliError("file-unreadable", `${file} cannot be opened: ${messageOf(cause)}`, { cause });
  }
}

const longestFile = 65_536;
