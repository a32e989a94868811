import { duration } from "./format.ts";

/** What a line of the audit says beside who, what and when, in words: the reason first, times as spans, lists with commas. */
export function detailText(detail: Readonly<Record<string, unknown>>): string {
  const { reason, ...rest } = detail;
  const named = flattened(rest).map(([name, value]) => `${optionOf(name)} ${settingText(name, value)}`);
  return [...(reason === undefined ? [] : [String(reason)]), ...named].join("; ");
}

/** The settings of a profile as the options of `ca profile set` name them. */
export function settingRows(settings: Readonly<Record<string, unknown>>): readonly (readonly [string, string])[] {
  return flattened(settings).map(([name, value]) => [optionOf(name), settingText(name, value)]);
}

/** The purposes of extKeyUsage that have names (RFC 5280 4.2.1.12), which are values of an option as well. */
export const purposes: ReadonlyMap<string, string> = new Map([
  ["clientAuth", "1.3.6.1.5.5.7.3.2"],
  ["serverAuth", "1.3.6.1.5.5.7.3.1"],
  ["codeSigning", "1.3.6.1.5.5.7.3.3"],
  ["emailProtection", "1.3.6.1.5.5.7.3.4"],
  ["timeStamping", "1.3.6.1.5.5.7.3.8"],
  ["OCSPSigning", "1.3.6.1.5.5.7.3.9"],
  ["cmcRA", "1.3.6.1.5.5.7.3.28"],
]);

/** The fields of an object, those of objects in it in their place. */
function flattened(object: object): readonly (readonly [name: string, value: unknown])[] {
  return Object.entries(object).flatMap(([name, value]) =>
    typeof value === "object" && value !== null && !Array.isArray(value) ? flattened(value) : [[name, value] as const],
  );
}

function settingText(name: string, value: unknown): string {
  if (typeof value === "number") {
    if (name === "after") return value === 0 ? "at any time" : `${Math.round(value * 100)} % of the lifetime`;
    if (spans.has(name)) return value === 0 ? "none" : duration(value);
  }
  if (name === "sameKey") return value === true ? "allowed" : "refused";
  if (Array.isArray(value)) return value.map(itemText).join(", ") || "none";
  return name === "registrationAuthority" && value === "" ? "none" : String(value);
}

function itemText(item: unknown): string {
  if (typeof item !== "object" || item === null || !("type" in item)) return purposeNames.get(item) ?? String(item);
  return "value" in item ? `${item.type}=${item.value}` : String(item.type);
}

function optionOf(name: string): string {
  return options[name] ?? name;
}

/** What an option of `ca profile set` calls a setting whose name in the API it does not have. */
const options: Readonly<Record<string, string>> = {
  leastRsaBits: "least-rsa-bits",
  keyUsage: "key-usage",
  extKeyUsage: "ext-key-usage",
  subjectAltName: "alternative-names",
  requestExtensions: "request-extensions",
  after: "renew-after",
  sameKey: "same-key",
  registrationAuthority: "registration-authority",
  serverKey: "server-key",
  changeSubjectName: "change-subject-name",
};

/** Settings in milliseconds. */
const spans: ReadonlySet<string> = new Set(["lifetime", "backdate", "grace"]);
const purposeNames: ReadonlyMap<unknown, string> = new Map([...purposes].map(([name, oid]) => [oid, name]));
