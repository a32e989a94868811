// The results of interoperability runs in Markdown that also reads well in a terminal.

/**
 * One table of peers and variants for each protocol, below it what each variant showed, and why a peer is not there. The
 * same results always give the same text.
 *
 * @param {readonly { protocol: string, peer: string, version?: string, reason?: string,
 *   variants: readonly { name: string, role: string, outcome: string, seen?: string }[] }[]} results
 */
export function resultTables(results) {
  const protocols = [...new Set(results.map(({ protocol }) => protocol))];
  return protocols
    .map((protocol) => {
      const peers = results.filter((result) => result.protocol === protocol);
      const columns = [...new Set(peers.flatMap(({ variants }) => variants.map(({ name }) => name)))];
      const rows = peers.map(({ peer, version, variants }) => [
        peer,
        version ?? "",
        ...columns.map((column) => variants.find(({ name }) => name === column)?.outcome ?? ""),
      ]);
      const seen = peers.flatMap(({ peer, variants }) =>
        variants.map(({ name, role, outcome, seen }) => [peer, name, role, outcome, seen ?? ""]),
      );
      const absent = peers.flatMap(({ peer, reason }) =>
        reason === undefined ? [] : [`${peer} is not installed:\n\n${quoted(reason)}`],
      );
      return [
        `## ${protocol}`,
        table(["peer", "version", ...columns], rows),
        table(["peer", "variant", "Hatchery is", "result", "seen"], seen),
        ...absent,
      ].join("\n\n");
    })
    .join("\n\n")
    .concat("\n");
}

function quoted(text) {
  return text.trim().replaceAll(/^[ \t]*/gm, "    ");
}

function table(head, rows) {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s+/g, " ")));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(cells[0]), line(widths.map((width) => "-".repeat(width))), ...cells.slice(1).map(line)].join("\n");
}
