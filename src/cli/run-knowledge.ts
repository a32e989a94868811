import type { FactEvent, OperationEvent, Run } from "../knowledge/run.ts";
import { type Role, roles } from "../knowledge/vocabulary.ts";
import { wrap } from "./format.ts";
import { table } from "./table.ts";

/** Who knows what: one line for each fact, one column for each holder; empty when the run has no facts. */
export function knowledgeTable(run: Run, columns: number): string {
  const events = run.events.filter((event): event is FactEvent => event.kind === "fact");
  if (events.length === 0) return "";
  const holders = inOrder(["device", "coordinator", ...events.map(({ holder }) => holder)]);
  const facts = new Map(events.map((event) => [event.fact, event.factKind]));
  const rows = [...facts].map(([fact, kind]) => {
    const knowledge = holders.map((holder) => knowledgeOf(events, fact, holder));
    const cells = knowledge.map(
      (known, index) => known?.word ?? (run.recordedBy.includes(holders[index] as Role) ? "-" : "?"),
    );
    return [shortName(fact, run.protocol), kind, ...cells, sameness(knowledge)];
  });
  const head = ["who knows what", "kind", ...holders, "same value"];
  const explained = legend.flatMap((line) => wrap(line, columns)).map((line) => `${line}\n`);
  return `${table(head, rows, { wraps: ["who knows what", ...holders], columns })}${explained.join("")}`;
}

/** Public-key operations and password hashes by role, `counted/declared`; empty when there are none. */
export function operationsTable(run: Run, columns: number): string {
  const events = run.events.filter((event): event is OperationEvent => event.kind === "operation");
  if (events.length === 0) return "";
  const kinds = operations.filter((operation) => events.some((event) => event.operation === operation));
  const rows = inOrder(events.map(({ role }) => role)).map((role) => [
    role,
    ...kinds.map((kind) => tally(events.filter((event) => event.role === role && event.operation === kind))),
  ]);
  return `${table(["operations", ...kinds], rows, { columns })}counted / inside TLS, as its version and suite demand\n`;
}

interface Knowledge {
  /** What the holder had before and has after, in a word. */
  readonly word: string;
  readonly fingerprints: ReadonlySet<string>;
}

/** What one holder knows of a fact, by what was observed of it, or else by what was inferred. */
function knowledgeOf(events: readonly FactEvent[], fact: string, holder: Role): Knowledge | undefined {
  const all = events.filter((event) => event.fact === fact && event.holder === holder);
  const observed = all.filter(({ evidence }) => evidence === "observed");
  const deciding = observed.length > 0 ? observed : all;
  if (deciding.length === 0) return undefined;
  const words: string[] = [];
  const fingerprints = new Set<string>();
  for (const { operation, fingerprint } of deciding) {
    if (operation === "replace" || operation === "erase") fingerprints.clear();
    if (fingerprint !== undefined && operation !== "erase") fingerprints.add(fingerprint);
    const word = operationWords[operation];
    // To use what one has says nothing new; to use without having had tells at least that it was there.
    if (!words.includes(word) && !(operation === "use" && words.length > 0)) words.push(word);
  }
  return { word: `${words.join(", ")}${observed.length > 0 ? "" : "?"}`, fingerprints };
}

/** `=` when two holders have a value in common, `≠` when two have values and none in common. */
function sameness(knowledge: readonly (Knowledge | undefined)[]): string {
  const sets = knowledge.flatMap((known) =>
    known === undefined || known.fingerprints.size === 0 ? [] : [known.fingerprints],
  );
  if (sets.length < 2) return "";
  const shared = sets.some((set, index) =>
    sets.slice(index + 1).some((other) => [...set].some((value) => other.has(value))),
  );
  return shared ? "=" : "≠";
}

/** `est.device.idevid-key` of EST as `device idevid-key`. */
function shortName(fact: string, protocol: string): string {
  const name = fact.startsWith(`${protocol}.`) ? fact.slice(protocol.length + 1) : fact;
  return name.replaceAll(".", " ");
}

/** Each role once, as the vocabulary orders them: the device before who sets it up. */
function inOrder(present: readonly Role[]): readonly Role[] {
  return roles.filter((role) => present.includes(role));
}

function tally(events: readonly OperationEvent[]): string {
  const counted = events.filter(({ evidence }) => evidence === "counted").length;
  return events.length === 0 ? "-" : `${counted} / ${events.length - counted}`;
}

const operations = [
  "keygen",
  "agree",
  "sign",
  "verify",
  "password-hash",
] as const satisfies readonly OperationEvent["operation"][];

const operationWords = {
  hold: "had",
  learn: "learned",
  derive: "made",
  use: "used",
  replace: "replaced",
  erase: "erased",
} as const satisfies Readonly<Record<FactEvent["operation"], string>>;

const legend = [
  "had: before and after; learned, made: only after; -: never; ?: inferred, or not recorded by that end",
  "=: equal keyed fingerprints, so both know the same value",
];
