import { equal } from "../core/bytes.ts";
import type { Certificate } from "./certificate.ts";
import { subjectAltNameOf } from "./standard-extensions.ts";

/**
 * Whether a certificate is for `host`, a DNS name in its ASCII form or an IP address without a zone, by RFC 9525: its
 * subjectAltName holds the address as iPAddress, or the name as dNSName, where `*` may stand for the whole left-most label.
 * The common name never counts. Throws PkiError for a malformed subjectAltName; it does not check the certificate's path.
 */
export function matchesHostName(certificate: Certificate, host: string): boolean {
  const names = subjectAltNameOf(certificate.extensions) ?? [];
  const address = addressOf(host);
  if (address !== undefined) return names.some((name) => name.kind === "iPAddress" && equal(name.address, address));
  // A name that ends in the dot of the root is the same name (RFC 1034 3.1), but no certificate has it so.
  const reference = host.toLowerCase().replace(/\.$/, "");
  if (!isHostName(reference)) return false;
  return names.some((name) => name.kind === "dNSName" && matches(name.text.toLowerCase(), reference));
}

/** RFC 9525 6.3: a wildcard is one whole label, the left-most, and stands for exactly one. */
function matches(presented: string, reference: string): boolean {
  if (!presented.startsWith("*.")) return presented === reference;
  const rest = presented.slice(1);
  return (
    isHostName(rest.slice(1)) && reference.endsWith(rest) && reference.indexOf(".") === reference.length - rest.length
  );
}

/** Whether text is a DNS name of a host in ASCII (RFC 1123 2.1), with the underscore that names of services have. */
export function isHostName(text: string): boolean {
  return text.length <= maximumLength && hostName.test(text) && !dottedQuad.test(text);
}

/** The 4 or 16 octets of an IP address in text form (RFC 4291 2.2); undefined when it is none. */
export function addressOf(text: string): Uint8Array | undefined {
  return dottedQuad.test(text) ? octetsOf4(text) : octetsOf6(text);
}

function octetsOf4(text: string): Uint8Array | undefined {
  const octets = text.split(".");
  // A leading zero means octal to some programs, and to none the same.
  return octets.every((octet) => /^(?:0|[1-9][0-9]{0,2})$/.test(octet) && Number(octet) <= 255)
    ? Uint8Array.from(octets, Number)
    : undefined;
}

function octetsOf6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (!text.includes(":") || halves.length > 2) return undefined;
  const groups = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  const [before, after = []] = groups;
  if (before === undefined || groups.includes(undefined)) return undefined;
  const missing = 8 - before.length - after.length;
  // RFC 4291 2.2: "::" stands for at least one group.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  return Uint8Array.from(
    [...before, ...new Array<number>(missing).fill(0), ...after].flatMap((g) => [g >> 8, g & 0xff]),
  );
}

/** The last 32 bits of the address may be written as an IPv4 address. */
function groupsOf(half: string, isLast: boolean): number[] | undefined {
  if (half === "") return [];
  const texts = half.split(":");
  const last = texts.at(-1) ?? "";
  const quad = isLast && dottedQuad.test(last) ? octetsOf4(last) : undefined;
  const [a = 0, b = 0, c = 0, d = 0] = quad ?? [];
  const hex = quad === undefined ? texts : texts.slice(0, -1);
  if (!hex.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const groups = hex.map((group) => Number.parseInt(group, 16));
  return quad === undefined ? groups : [...groups, (a << 8) | b, (c << 8) | d];
}

const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
const hostName = new RegExp(`^${label}(?:\\.${label})*$`, "i");
const dottedQuad = /^\d+(?:\.\d+){3}$/;
/** RFC 1035 2.3.4, in text form. */
const maximumLength = 253;
