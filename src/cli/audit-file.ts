import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { z } from "zod";
import { messageOf } from "../core/errors.ts";
import type { AuditEntry, AuditHead, Page } from "./answers.ts";
import type { Api } from "./api.ts";
import { CliError } from "./errors.ts";
import { fileTrouble } from "./files.ts";

/** The lines of an exported audit, in order. Throws `file-unreadable`; does not check the chain. */
export async function* auditLines(file: string): AsyncGenerator<AuditEntry> {
  let number = 0;
  try {
    for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
      number += 1;
      if (line.length > longestLine) throw new RangeError(`it has more than ${longestLine} characters`);
      const parsed: unknown = JSON.parse(line);
      // A name that comes twice would be read by others as its first value, and by JSON.parse as its last.
      if (JSON.stringify(parsed) !== line) throw new SyntaxError("it was written otherwise than by an export");
      yield entry.parse(parsed);
    }
  } catch (cause) {
    if (number === 0) throw new CliError("file-unreadable", fileTrouble(file, "read", cause), { cause });
    const why =
      cause instanceof z.ZodError || cause instanceof SyntaxError
        ? "it is no line of an exported audit"
        : messageOf(cause);
    throw new CliError("file-unreadable", `${file} cannot be read at line ${number}: ${why}`, { cause });
  }
}

/**
 * Writes every line of a tenant's audit to `file`, which appears whole or not at all, or to the standard output, and resolves
 * to the last one. Throws `file-unwritable`.
 */
export async function exportAudit(api: Api, file: string | undefined): Promise<AuditHead> {
  const draft = file === undefined ? undefined : `${file}.new`;
  const output = draft === undefined ? process.stdout : createWriteStream(draft, { mode: 0o600, flags: "w" });
  try {
    if (output !== process.stdout) await once(output, "open");
    let last: AuditHead = { sequence: 0, hash: "" };
    let after: string | undefined;
    do {
      const page: Page<AuditEntry> = await api.get("/audit", { order: "oldest-first", limit: linesAtOnce, after });
      const text = page.items.map((line) => `${JSON.stringify(line)}\n`).join("");
      if (!output.write(text)) await once(output, "drain");
      last = page.items.at(-1) ?? last;
      after = page.next;
    } while (after !== undefined);
    if (file !== undefined && draft !== undefined) {
      output.end();
      await once(output, "close");
      await rename(draft, file);
    }
    return last;
  } catch (cause) {
    if (draft === undefined || cause instanceof CliError) throw cause;
    await rm(draft, { force: true });
    throw new CliError("file-unwritable", fileTrouble(file ?? "", "written", cause), { cause });
  }
}

const entry = z.strictObject({
  tenant: z.string(),
  sequence: z.number().int(),
  at: z.number().int(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.unknown()),
  hash: z.string(),
});

/** Far above what the service writes. */
const longestLine = 1024 * 1024;
/** What the API gives at once. */
const linesAtOnce = 500;
