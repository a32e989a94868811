/** A moment in local time to the minute, such as `2026-03-01 14:05`; `at` is milliseconds since 1970-01-01 UTC. */
export function shortTime(at: number): string {
  const date = new Date(at);
  const day = [date.getFullYear(), twoDigits(date.getMonth() + 1), twoDigits(date.getDate())].join("-");
  return `${day} ${twoDigits(date.getHours())}:${twoDigits(date.getMinutes())}`;
}

/** A moment in local time to the second. */
export function exactTime(at: number): string {
  return `${shortTime(at)}:${twoDigits(new Date(at).getSeconds())}`;
}

/** A time span in the two largest units that matter to a reader: `0.4 ms`, `34 ms`, `5.1 s`, `2 min 5 s`, `3 d 4 h`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)} s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return twoUnits(seconds, 60, "min", "s");
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return twoUnits(minutes, 60, "h", "min");
  return twoUnits(Math.round(minutes / 60), 24, "d", "h");
}

/** Text for a terminal: no control character or direction override of a name that a device chose reaches it. */
export function printable(text: string): string {
  return text.replace(unprintable, "\u{fffd}");
}

/** Text for one line of a terminal: `printable`, and cut to `most` characters, the last of them `…` when some are missing. */
export function brief(text: string, most = longestBrief): string {
  // Twice as many code units hold that many characters, and a hostile text is not copied whole.
  const characters = Array.from(text.slice(0, 2 * most + 2));
  return printable(characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text);
}

/** Lines of at most `width` characters, broken at spaces, or within a word that is longer than a line. */
export function wrap(text: string, width: number): readonly string[] {
  if (text.length <= width) return [text];
  // A long name is broken behind a sign that it has anyway, so that nobody takes a line's end for a part of it.
  const pieces = new RegExp(`.{1,${width}}$|.{1,${width}}(?<=[-,=/])|.{1,${width}}`, "gsu");
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((each) => each.match(pieces) ?? [""])) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

function twoUnits(amount: number, size: number, large: string, small: string): string {
  const rest = amount % size;
  return `${Math.floor(amount / size)} ${large}${rest === 0 ? "" : ` ${rest} ${small}`}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** Longer than any name, identifier or fingerprint that the service gives or admits. */
const longestBrief = 80;

// C0 and C1 controls begin escape sequences, and line separators and bidirectional controls let a text pose as another.
const unprintable = /[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
