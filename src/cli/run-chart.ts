import type { FrameEvent, Run, RunEvent } from "../knowledge/run.ts";
import type { Role } from "../knowledge/vocabulary.ts";
import type { Contradiction } from "./answers.ts";
import { brief, duration, exactTime, printable, wrap } from "./format.ts";
import { knowledgeTable, operationsTable } from "./run-knowledge.ts";

export interface ChartOptions {
  /** Columns of the terminal; fewer than 60 are drawn as 60, more than 100 as 100. */
  readonly columns: number;
  /** What lists call the device. */
  readonly label: string;
}

/**
 * One run as text: what it was, a sequence chart of its frames, decisions and errors by phase, who knew what before and
 * after, the public-key operations of each end, and what it contradicts. Ends in a line feed.
 */
export function chart(run: Run, contradictions: readonly Contradiction[], { columns, label }: ChartOptions): string {
  const width = Math.min(Math.max(columns, 60), 100);
  const parts = [
    header(run, label, width),
    sequence(run, width),
    knowledgeTable(run, width),
    operationsTable(run, width),
    surveyNote(run, contradictions, width),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

function header(run: Run, label: string, width: number): string {
  const { outcome, reason, recordedBy, started, ended, omitted } = run;
  const took = ended === undefined ? "not ended" : `took ${duration(ended - started)}`;
  const others = recordedBy.length > 1 ? "" : "; what the other end knew is inferred";
  const lines = [
    ["device", brief(label)],
    ["variant", run.variant],
    ["reason", reason],
    ["link", run.link],
    ["began", `${exactTime(started)}, ${took}`],
    ["recorded", `by ${recordedBy.join(" and ")}${others}`],
    ...(omitted === 0 ? [] : [["left out", `${omitted} events, because the run grew too long`]]),
  ] as const;
  const entries = lines.flatMap(([name, value]) =>
    wrap(printable(value), width - 12).map((line, index) => `  ${(index === 0 ? name : "").padEnd(10)}${line}`),
  );
  return [printable(`Run ${run.id}: ${outcome}`), ...entries].map((line) => `${line}\n`).join("");
}

function surveyNote({ outcome, recordedBy }: Run, contradictions: readonly Contradiction[], width: number): string {
  if (contradictions.length > 0) {
    const lines = contradictions
      .flatMap(({ statement, found }) => wrap(printable(`${statement}; found: ${found}`), width - 2))
      .map((line) => `  ${line}\n`);
    return `This run contradicts the survey\n${lines.join("")}`;
  }
  return outcome === "granted" && recordedBy.length > 1
    ? "This run confirms every measurable sentence of the survey.\n"
    : "";
}

interface Lifeline {
  readonly role: Role;
  /** Column, from 0. */
  readonly at: number;
}

function sequence(run: Run, width: number): string {
  const lifelines = lifelinesOf(run, width);
  const rows = [...heads(run, lifelines, width)];
  let phase: RunEvent["phase"] | undefined;
  for (const event of run.events) {
    const drawn = draw(event, lifelines, width);
    if (drawn.length === 0) continue;
    if (event.phase !== phase) rows.push(overlay(row(lifelines), 0, event.phase));
    phase = event.phase;
    // The clocks of two ends are not compared: times are those of the end that recorded first.
    const time = event.by === run.recordedBy[0] ? duration(event.at).padStart(gutter - 2) : "";
    rows.push(...drawn.map((line, index) => (index === 0 ? overlay(line, 0, time) : line)));
  }
  return rows.map((line) => `${line.trimEnd()}\n`).join("");
}

/** The device stands on the left, whoever spoke first; the others follow as they appear. */
function lifelinesOf({ events, recordedBy }: Run, width: number): readonly Lifeline[] {
  const speaking = events.flatMap((event) => (event.kind === "frame" ? [event.from, event.to] : []));
  const present = [...new Set([...speaking, ...recordedBy])];
  const order = [...present.filter((role) => role === "device"), ...present.filter((role) => role !== "device")];
  const first = gutter + 3;
  const distance = order.length > 1 ? Math.floor((width - 8 - first) / (order.length - 1)) : 0;
  return order.map((role, index) => ({ role, at: first + index * distance }));
}

/** Neutral names, and below them what the protocol calls the role. */
function heads(run: Run, lifelines: readonly Lifeline[], width: number): readonly string[] {
  const terms = new Map(
    run.events.flatMap((event) => (event.kind === "contact" ? [[event.binding.role, event.binding.term]] : [])),
  );
  const line = (name: (role: Role) => string) =>
    lifelines.reduce((text, { role, at }) => {
      const shown = name(role);
      const from = Math.min(Math.max(gutter, at - Math.floor(shown.length / 2)), width - shown.length);
      return overlay(text, from, shown);
    }, "");
  const named = lifelines.some(({ role }) => terms.has(role));
  return [line((role) => role), ...(named ? [line((role) => (terms.has(role) ? `(${terms.get(role)})` : ""))] : [])];
}

function draw(event: RunEvent, lifelines: readonly Lifeline[], width: number): readonly string[] {
  switch (event.kind) {
    case "frame":
      return drawFrame(event, lifelines);
    case "decision": {
      const rule = event.reason.startsWith(event.rule) ? "" : ` (${event.rule})`;
      return drawNote(event.by, `◆ ${event.verdict}${rule}: ${event.reason}`, lifelines, width);
    }
    case "user": {
      const typed = event.characters === 0 ? "" : `, ${event.characters} characters`;
      const who = lifelines.some(({ role }) => role === event.who) ? event.who : event.by;
      return drawNote(
        who,
        `● ${event.who}: ${event.action.replaceAll("-", " ")}${typed} (${event.channel})`,
        lifelines,
        width,
      );
    }
    case "error":
      return drawNote(event.by, `✗ ${event.code} (${event.direction}): ${event.message}`, lifelines, width);
    case "fact":
    case "operation":
    case "contact":
      return [];
  }
}

function drawFrame(frame: FrameEvent, lifelines: readonly Lifeline[]): readonly string[] {
  const at = (role: Role) => lifelines.find((lifeline) => lifeline.role === role)?.at ?? gutter;
  const [from, to] = [at(frame.from), at(frame.to)];
  const left = Math.min(from, to) + 1;
  const inner = Math.max(from, to) - left;
  const size = frame.bytes === undefined ? [] : [`${frame.bytes} B`];
  const text = [frame.repeated ? `${frame.name} again` : frame.name, ...size, protections[frame.protection]].join(
    " · ",
  );
  const lines = wrap(text, inner - 4);
  const fits = lines.length === 1;
  const above = fits ? [] : lines.map((line) => overlay(row(lifelines), left + 2, line));
  const words = fits ? ` ${lines[0] ?? ""} ` : "";
  const shaft = centred(words, inner - 1);
  return [...above, overlay(row(lifelines), left, to > from ? `${shaft}▶` : `◀${shaft}`)];
}

/** Text beside the lifeline of `role`, on its inner side. */
function drawNote(role: Role, text: string, lifelines: readonly Lifeline[], width: number): readonly string[] {
  const first = lifelines[0]?.at ?? gutter;
  const last = lifelines.at(-1)?.at ?? gutter;
  const at = lifelines.find((lifeline) => lifeline.role === role)?.at ?? first;
  const toTheLeft = at === last && at !== first;
  const room = toTheLeft ? at - first - 3 : (last > at ? last : width) - at - 3;
  const lines = wrap(text, room);
  const from = toTheLeft ? at - 1 - Math.max(...lines.map((line) => line.length)) : at + 2;
  return lines.map((line) => overlay(row(lifelines), from, line));
}

function row(lifelines: readonly Lifeline[]): string {
  return lifelines.reduce((line, { at }) => overlay(line, at, "│"), "");
}

/** `line` with `text` written over it from column `at` on. */
function overlay(line: string, at: number, text: string): string {
  const shown = printable(text);
  const padded = line.padEnd(at);
  return padded.slice(0, at) + shown + padded.slice(at + shown.length);
}

function centred(text: string, width: number): string {
  const before = Math.floor((width - text.length) / 2);
  return `${"─".repeat(before)}${text}`.padEnd(width, "─");
}

const gutter = 12;
const protections = { none: "clear", integrity: "integrity", encrypted: "encrypted" } as const;
