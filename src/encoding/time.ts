import { view } from "../core/bytes.ts";
import { DerError } from "./errors.ts";
import { tags } from "./tags.ts";

/**
 * Milliseconds since 1970-01-01 UTC of the content octets of a UTCTime or GeneralizedTime, by `tag`, in the forms of RFC
 * 5280 4.1.2.5: with seconds, without fractions, in UTC. Throws DerError. It does not refuse a GeneralizedTime before 2050.
 */
export function timeOf(tag: number, content: Uint8Array): number {
  const text = fullText(tag, view(content).toString("latin1"));
  const [, year, month, day, hour, minute, second] = form.exec(text) ?? [];
  if (year === undefined) throw new DerError("bad-value", "Time is not written as RFC 5280 4.1.2.5 demands.");
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  // Date carries over what is too large, such as February 30, so the way back shows whether the time exists.
  if (generalizedTimeText(date) !== text) throw new DerError("bad-value", "Time is not one that exists.");
  return date.getTime();
}

/** Tag and text of a Time at `milliseconds` since 1970-01-01 UTC, without the fraction of a second; throws DerError. */
export function timeText(milliseconds: number): { readonly tag: number; readonly text: string } {
  const date = new Date(milliseconds);
  const year = date.getUTCFullYear();
  if (!(year >= 0 && year <= 9999)) throw new DerError("bad-value", "Time is not from year 0 to year 9999.");
  const text = generalizedTimeText(date);
  // RFC 5280 4.1.2.5: UTCTime through the year 2049, GeneralizedTime from 2050 on.
  return year >= 1950 && year < 2050 ? { tag: tags.utcTime, text: text.slice(2) } : { tag: tags.generalizedTime, text };
}

function fullText(tag: number, text: string): string {
  // RFC 5280 4.1.2.5.1: two digits of a year mean 1950 to 2049.
  if (tag === tags.utcTime) return (text < "5" ? "20" : "19") + text;
  if (tag === tags.generalizedTime) return text;
  throw new DerError("unexpected-tag", "DER has another element where a Time is expected.", {
    details: { found: tag },
  });
}

function generalizedTimeText(date: Date): string {
  const year = String(date.getUTCFullYear()).padStart(4, "0");
  const rest = [
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
  ];
  return `${year}${rest.map((part) => String(part).padStart(2, "0")).join("")}Z`;
}

const form = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/;
