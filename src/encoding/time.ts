import { view } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { tags } from "./tags.ts";

/**
 * Milliseconds since 1970-01-01 UTC of the content octets of a UTCTime or GeneralizedTime, by `tag`, in the forms of RFC
 * 5280 4.1.2.5: with seconds, without fractions, in UTC. Throws DerError. It does not refuse a GeneralizedTime before 2050.
 */
export function timeOf(tag: number, content: Uint8Array): number {
  const text = fullText(tag, view(content).toString("latin1"));
  if (!form.test(text)) throw new DerError("bad-value", "Time is not written as RFC 5280 4.1.2.5 demands.");
  const [days, clock] = [Number(text.slice(0, 8)), Number(text.slice(8, 14))];
  const [year, month, day] = [Math.floor(days / 1e4), Math.floor(days / 100) % 100, days % 100];
  const [hour, minute, second] = [Math.floor(clock / 1e4), Math.floor(clock / 100) % 100, clock % 100];
  // 400 years later the calendar is the same, and Date.UTC takes no year for one of the twentieth century.
  const milliseconds = Date.UTC(year + 400, month - 1, day, hour, minute, second) - fourCenturies;
  const date = new Date(milliseconds);
  // Date carries over what is too large, such as February 30, and then another field comes out.
  const exists =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists) throw new DerError("bad-value", "Time is not one that exists.");
  return milliseconds;
}

/** Tag and text of a Time at `milliseconds` since 1970-01-01 UTC, without the fraction of a second; throws DerError. */
export function timeText(milliseconds: number): { readonly tag: number; readonly text: string } {
  const text = generalizedTimeText(milliseconds);
  // RFC 5280 4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on.
  return text >= "1950" && text < "2050"
    ? { tag: tags.utcTime, text: text.slice(2) }
    : { tag: tags.generalizedTime, text };
}

/** Text of a GeneralizedTime at `milliseconds` since 1970-01-01 UTC, without the fraction of a second; throws DerError. */
export function generalizedTimeText(milliseconds: number): string {
  const date = new Date(milliseconds);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw new DerError("bad-value", "Time is not from year 0 to year 9999.");
  const days = year * 1e4 + (date.getUTCMonth() + 1) * 100 + date.getUTCDate();
  const clock = date.getUTCHours() * 1e4 + date.getUTCMinutes() * 100 + date.getUTCSeconds();
  return `${String(days * 1e6 + clock).padStart(14, "0")}Z`;
}

function fullText(tag: number, text: string): string {
  // RFC 5280 4.1.2.5.1: two digits of a year mean 1950 to 2049.
  if (tag === tags.utcTime) return (text < "5" ? "20" : "19") + text;
  if (tag === tags.generalizedTime) return text;
  throw new DerError("unexpected-tag", "DER has another element where a Time is expected.", {
    details: { found: tag },
  });
}

const form = /^\d{14}Z$/;
const fourCenturies = Date.UTC(2400, 0, 1) - Date.UTC(2000, 0, 1);
