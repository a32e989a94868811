import { textOf } from "../core/bytes.ts";
import { Pkcs11Error } from "./errors.ts";

/** One private key in one token, as a PKCS#11 URI (RFC 7512) names it. */
export interface KeyUri {
  /** Label of the token. */
  readonly token: string;
  /** CKA_ID of the key. */
  readonly id?: Uint8Array;
  /** CKA_LABEL of the key. */
  readonly object?: string;
}

/**
 * The URI `pkcs11:token=...;object=...;id=...;type=private`: token and one of object and id have to be there. Throws
 * `hsm-uri` for every other attribute, one that comes twice, and for queries: a PIN has no place in what is stored and
 * shown. Does not look whether there is such a key.
 */
export function parseKeyUri(text: string): KeyUri {
  if (text.length > longestUri) throw wrong("it is too long");
  if (!text.startsWith(scheme)) throw wrong(`it does not begin with ${scheme}`);
  if (text.includes("?")) throw wrong("it has a query; give module and PIN to the service");
  const found = new Map<string, Uint8Array>();
  for (const part of text.slice(scheme.length).split(";")) {
    const [, name, value] = /^([a-z-]+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || value === undefined) throw wrong("an attribute is not NAME=VALUE");
    if (!attributes.has(name)) throw wrong(`the attribute ${name} is not used here`);
    if (found.has(name)) throw wrong(`the attribute ${name} comes twice`);
    found.set(name, decoded(value));
  }
  const type = textIn(found, "type");
  if (type !== undefined && type !== "private") throw wrong("it names no private key");
  const [token, object, id] = [textIn(found, "token"), textIn(found, "object"), found.get("id")];
  if (token === undefined) throw wrong("it names no token");
  if (object === undefined && id === undefined) throw wrong("it names no key: add id or object");
  return { token, ...(id === undefined ? {} : { id }), ...(object === undefined ? {} : { object }) };
}

/** The URI in one spelling: RFC 7512 2.3 wants each octet of an id escaped. */
export function formatKeyUri({ token, id, object }: KeyUri): string {
  const parts = [
    `token=${escaped(token)}`,
    ...(object === undefined ? [] : [`object=${escaped(object)}`]),
    ...(id === undefined ? [] : [`id=${[...id].map(percent).join("")}`]),
    "type=private",
  ];
  return `${scheme}${parts.join(";")}`;
}

/** Whether a reference to a key is one into a token. Does not check the rest of it. */
export function isKeyUri(reference: string): boolean {
  return reference.startsWith(scheme);
}

/** RFC 7512 2.3: pk11-pchar, of which every other octet is escaped. */
function decoded(value: string): Uint8Array {
  if (!/^(?:[A-Za-z0-9\-._~:[\]@!$'()*+,=&]|%[0-9A-Fa-f]{2})+$/.test(value)) throw wrong("a character must be escaped");
  const octets = value.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return Buffer.from(octets, "latin1");
}

function textIn(found: ReadonlyMap<string, Uint8Array>, name: string): string | undefined {
  const octets = found.get(name);
  if (octets === undefined) return undefined;
  try {
    return textOf(octets);
  } catch {
    throw wrong(`the attribute ${name} is not UTF-8`);
  }
}

function escaped(text: string): string {
  const unreserved = /^[A-Za-z0-9\-._~]$/;
  const octets = Buffer.from(text, "utf8");
  return [...octets]
    .map((octet) => (unreserved.test(String.fromCharCode(octet)) ? String.fromCharCode(octet) : percent(octet)))
    .join("");
}

function percent(octet: number): string {
  return `%${octet.toString(16).toUpperCase().padStart(2, "0")}`;
}

function wrong(reason: string): Pkcs11Error {
  return new Pkcs11Error("hsm-uri", `the PKCS#11 URI cannot be used: ${reason}; write pkcs11:token=TOKEN;object=LABEL`);
}

const scheme = "pkcs11:";
const attributes: ReadonlySet<string> = new Set(["token", "object", "id", "type"]);
const longestUri = 1024;
