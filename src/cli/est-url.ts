import { labelPattern, operationNames, wellKnown } from "../protocols/est/constants.ts";
import { CliError } from "./errors.ts";

export interface EstUrl {
  readonly host: string;
  readonly port: number;
  readonly label?: string;
}

/**
 * Host, port and label of `https://HOST[:PORT][/LABEL]`; the path prefix of RFC 7030 section 3.2.2 may be written out.
 * Throws `usage`. Does not look the host up.
 */
export function parseEstUrl(text: string): EstUrl {
  if (!URL.canParse(text)) throw wrong(text, "it is not a URL");
  const { protocol, username, password, search, hash, hostname, port, pathname } = new URL(text);
  if (protocol !== "https:") throw wrong(text, "EST runs over https only (RFC 7030 3.2.1)");
  // The words are not shown: they may be a password.
  if (username !== "" || password !== "")
    throw wrong("the URL", "user and password go into --user and --password-file");
  if (search !== "" || hash !== "") throw wrong(text, "it has a query or a fragment");
  const path =
    pathname.startsWith(`${wellKnown}/`) || pathname === wellKnown ? pathname.slice(wellKnown.length) : pathname;
  const label = path.replace(/^\/|\/$/g, "");
  const address = { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? 443 : Number(port) };
  if (label === "") return address;
  if (!labelPattern.test(label) || operationNames.has(label))
    throw wrong(
      text,
      `${label} is not a label: one path segment that is not the name of an operation (RFC 7030 3.2.2)`,
    );
  return { ...address, label };
}

function wrong(text: string, reason: string): CliError {
  return new CliError("usage", `${text} cannot be used: ${reason}; write https://HOST:PORT or https://HOST:PORT/LABEL`);
}
