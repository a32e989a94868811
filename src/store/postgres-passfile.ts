import { readFileSync, statSync } from "node:fs";
import { codeOf, messageOf } from "../core/errors.ts";
import { StoreError } from "./errors.ts";

/** What a line of a passfile is chosen by. */
export interface PassfileKey {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/**
 * The password in the first line of the passfile that fits (PostgreSQL documentation 34.16); undefined when there is no
 * such file or line. Throws `store-unsuitable` when others may read the file, which libpq passes over without a word.
 */
export function passwordIn(path: string, key: PassfileKey): string | undefined {
  const text = privateText(path);
  if (text === undefined) return undefined;
  // The documentation's name of a socket's directory is `localhost`, and so is that of the machine.
  const wanted = [key.host.startsWith("/") ? "localhost" : key.host, String(key.port), key.database, key.user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = fieldsOf(line);
    if (fields.length < 5) continue;
    const fits = wanted.every((value, index) => fields[index] === "*" || fields[index] === value);
    if (fits) return fields[4];
  }
  return undefined;
}

function privateText(path: string): string | undefined {
  try {
    const { mode } = statSync(path);
    if ((mode & 0o077) === 0) return readFileSync(path, "utf8");
  } catch (cause) {
    if (codeOf(cause) === "ENOENT" || codeOf(cause) === "ENOTDIR") return undefined;
    throw new StoreError("store-unsuitable", `The passfile cannot be read: ${messageOf(cause)}.`, { cause });
  }
  throw new StoreError("store-unsuitable", `The passfile ${path} can be read by other users; run: chmod 600 ${path}`);
}

/** Five fields between colons; a backslash takes the meaning from a colon or a backslash. `*` has its own when it is alone. */
function fieldsOf(line: string): readonly string[] {
  const fields = [""];
  for (let index = 0; index < line.length; index += 1) {
    const character = line[index]!;
    const next = line[index + 1];
    if (character === "\\" && (next === ":" || next === "\\")) {
      fields[fields.length - 1] += next;
      index += 1;
    } else if (character === ":" && fields.length < 5) fields.push("");
    else fields[fields.length - 1] += character;
  }
  return fields;
}
