// A test reporter that writes nothing but one line of JSON: the counts of the whole run, and the files that reported.

export default async function* tally(events) {
  const files = [];
  for await (const { type, data } of events) {
    if (type !== "test:summary") continue;
    // With one process for each file, every file has a summary of its own; the last, without a file, adds them up.
    if (data.file === undefined) yield `${JSON.stringify({ ...data.counts, files })}\n`;
    else files.push(data.file);
  }
}
