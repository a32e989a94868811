import { statSync } from "node:fs";

/**
 * Watches files that a database works with by their paths: answers with the first path that names another file than
 * before, or none any more. A path that has named no file yet is remembered when it does.
 *
 * A process goes on with an open file that was removed, and what it writes there is lost when it ends
 * (https://sqlite.org/howtocorrupt.html, section 2.4).
 */
export function filesInUse(paths: readonly string[]): () => string | undefined {
  const known = new Map<string, string>();
  const lost = () =>
    paths.find((path) => {
      const now = identityOf(path);
      const before = known.get(path);
      if (before !== undefined) return now !== before;
      if (now !== undefined) known.set(path, now);
      return false;
    });
  lost();
  return lost;
}

/** An inode is not given to another file while somebody has it open. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev}/${ino}`;
  } catch {
    return undefined;
  }
}
