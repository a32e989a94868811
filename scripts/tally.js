// A test reporter that writes nothing but the counts of the whole run, as one line of JSON.

export default async function* tally(events) {
  for await (const { type, data } of events) {
    // With one process for each file, every file has a summary of its own; the last, without a file, adds them up.
    if (type === "test:summary" && data.file === undefined) yield `${JSON.stringify(data.counts)}\n`;
  }
}
