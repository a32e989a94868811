import { DerError } from "./errors.ts";
import { tags } from "./tags.ts";

/**
 * Milliseconds since 1970-01-01 UTC of the content octets of a UTCTime or GeneralizedTime, by `tag`, in the forms of RFC
 * 5280 4.1.2.5: with seconds, without fractions, in UTC. Throws DerError. It does not refuse a GeneralizedTime before 2050.
 */
export function timeOf(tag: number, content: Uint8Array): number {
  if (tag !== tags.utcTime && tag !== tags.generalizedTime)
    throw new DerError("unexpected-tag", "DER has another element where a Time is expected.", {
      details: { found: tag },
    });
  const century = tag === tags.utcTime ? 0 : 2;
  if (content.length !== century + 13 || content[century + 12] !== 0x5a)
    throw new DerError("bad-value", "Time is not written as RFC 5280 4.1.2.5 demands.");
  const twoDigits = pair(content, century);
  // RFC 5280 4.1.2.5.1: two digits of a year mean 1950 to 2049.
  const year = century === 0 ? twoDigits + (twoDigits < 50 ? 2000 : 1900) : pair(content, 0) * 100 + twoDigits;
  const [month, day] = [pair(content, century + 2), pair(content, century + 4)];
  const [hour, minute, second] = [pair(content, century + 6), pair(content, century + 8), pair(content, century + 10)];
  // What is no digit is no number, and no comparison with it is true.
  const exists =
    year >= 0 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysIn(year, month) &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  if (!exists) throw new DerError("bad-value", "Time is not one that exists.");
  // 400 years later the calendar is the same, and Date.UTC takes no year for one of the twentieth century.
  return Date.UTC(year + 400, month - 1, day, hour, minute, second) - fourCenturies;
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

/** The number that two octets of ASCII digits write; NaN for others. */
function pair(content: Uint8Array, offset: number): number {
  const [tens, units] = [digit(content[offset]), digit(content[offset + 1])];
  return tens * 10 + units;
}

function digit(octet = 0): number {
  return octet >= 0x30 && octet <= 0x39 ? octet - 0x30 : Number.NaN;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

const fourCenturies = Date.UTC(2400, 0, 1) - Date.UTC(2000, 0, 1);
