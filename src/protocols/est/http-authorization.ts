import { fromBase64, textOf } from "../../core/bytes.ts";
import { mostAuthorizationCharacters, mostChallenges, mostCredentialCharacters, realm } from "./constants.ts";
import { EstRefused } from "./errors.ts";
import { digestResponse, digestSecret } from "./keys-digest.ts";
import type { BasicCredentials, DigestAlgorithm, DigestInput, PresentedCredentials } from "./messages.ts";

/** A challenge of a server that is understood here (RFC 7235 2.1). */
export type Challenge = { readonly kind: "basic"; readonly realm: string } | DigestChallenge;

export interface DigestChallenge {
  readonly kind: "digest";
  readonly realm: string;
  readonly nonce: string;
  readonly opaque?: string;
  readonly algorithm: DigestAlgorithm;
  readonly stale: boolean;
}

/**
 * The credentials of an Authorization field (RFC 7617, RFC 7616), unverified; undefined without the field. Throws EstRefused
 * `credentials-malformed` for anything else than well-formed Basic or Digest, and `credentials-wrong` for a Digest that is
 * for another realm or request.
 */
export function decodeAuthorization(
  value: string | undefined,
  request: { readonly method: string; readonly path: string },
): PresentedCredentials | undefined {
  if (value === undefined) return undefined;
  if (value.length > mostAuthorizationCharacters) throw malformed("the Authorization field is too long");
  const [, scheme = "", rest = ""] = /^([A-Za-z]+) +(.+)$/.exec(value) ?? [];
  switch (scheme.toLowerCase()) {
    case "basic":
      return { kind: "basic", ...decodeBasic(rest) };
    case "digest":
      return decodeDigest(rest, request);
    default:
      throw malformed("the Authorization field holds neither Basic nor Digest credentials");
  }
}

/** The value of Authorization for a user and a password (RFC 7617). */
export function encodeBasic({ user, password }: BasicCredentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
}

/** The value of Authorization that answers `challenge` (RFC 7616 3.4); `count` is how often its nonce is used, with this time. */
export function encodeDigest(
  { user, password }: BasicCredentials,
  challenge: DigestChallenge,
  { method, path }: { readonly method: string; readonly path: string },
  count: number,
  cnonce: string,
): string {
  const { algorithm, nonce, opaque } = challenge;
  const nc = count.toString(16).padStart(8, "0");
  const input: DigestInput = { algorithm, method, uri: path, nonce, nc, cnonce };
  const response = digestResponse(digestSecret(algorithm, user, challenge.realm, password), input);
  return [
    `Digest ${/^[\x20-\x7e]*$/.test(user) ? `username=${quoted(user)}` : `username*=UTF-8''${extended(user)}`}`,
    `realm=${quoted(challenge.realm)}`,
    `nonce=${quoted(nonce)}`,
    `uri=${quoted(path)}`,
    `algorithm=${algorithm}`,
    "qop=auth",
    `nc=${nc}`,
    `cnonce=${quoted(cnonce)}`,
    `response=${quoted(response)}`,
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
  ].join(", ");
}

/** The value of WWW-Authenticate for Basic. */
export const basicChallenge = `Basic realm="${realm}", charset="UTF-8"`;

/** The value of WWW-Authenticate for Digest (RFC 7616 3.3). */
export function digestChallenge(algorithm: DigestAlgorithm, nonce: string, stale: boolean): string {
  const parameters = [`realm="${realm}"`, 'qop="auth"', `algorithm=${algorithm}`, `nonce="${nonce}"`, "charset=UTF-8"];
  return `Digest ${[...parameters, ...(stale ? ["stale=true"] : [])].join(", ")}`;
}

/**
 * The challenges in the WWW-Authenticate fields of an answer that are understood here, and the names of the schemes of all.
 * What is malformed, or of another algorithm or qop, is no challenge: a server may offer what was invented later.
 */
export function decodeChallenges(values: readonly string[]): {
  readonly challenges: readonly Challenge[];
  readonly schemes: readonly string[];
} {
  const found = values.flatMap((value) => challengesIn(value.slice(0, mostAuthorizationCharacters)));
  const challenges = found.slice(0, mostChallenges).flatMap(understood);
  return { challenges, schemes: found.slice(0, mostChallenges).map(({ scheme }) => scheme) };
}

function decodeBasic(token: string): BasicCredentials {
  const bytes = token.length > mostCredentialCharacters * 2 ? undefined : fromBase64(token);
  if (bytes === undefined) throw malformed("the Basic credentials are not base64");
  let pair: string;
  try {
    pair = textOf(bytes);
  } catch (cause) {
    throw new EstRefused("credentials-malformed", "the Basic credentials are not UTF-8", { cause });
  }
  const colon = pair.indexOf(":");
  if (colon < 1) throw malformed("the Basic credentials have no user name");
  return { user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}

function decodeDigest(
  text: string,
  { method, path }: { readonly method: string; readonly path: string },
): PresentedCredentials {
  const parameters = parametersOf(text);
  if (parameters === undefined) throw malformed("the Digest credentials are not a list of parameters, each once");
  const string = (name: string): string => {
    const found = parameters.get(name);
    if (found?.quoted !== true || found.value === "")
      throw malformed(`the Digest credentials have no ${name} in quotes`);
    return found.value;
  };
  const user = string("username");
  const [nonce, uri, cnonce, response] = [string("nonce"), string("uri"), string("cnonce"), string("response")];
  // RFC 7616 3.4.4: a hashed name would have to be looked for among all users; the challenge offers no userhash.
  if (parameters.get("userhash")?.value.toLowerCase() === "true" || parameters.has("username*"))
    throw malformed("the Digest credentials hold the user name in a form that was not offered");
  // RFC 7616 3.3: no algorithm means MD5. Some clients quote what is a token.
  const algorithm = algorithmOf(parameters.get("algorithm")?.value ?? "MD5");
  if (algorithm === undefined) throw malformed("the Digest credentials are of an unknown algorithm");
  if (parameters.get("qop")?.value !== "auth") throw malformed("the Digest credentials are not of the qop auth");
  const nc = parameters.get("nc")?.value ?? "";
  if (!/^[0-9a-f]{8}$/i.test(nc) || Number.parseInt(nc, 16) === 0)
    throw malformed("the Digest credentials have no nc of eight hexadecimal digits");
  if (string("realm") !== realm)
    throw new EstRefused("credentials-wrong", "the Digest credentials are of another realm");
  if (uri !== path) throw new EstRefused("credentials-wrong", "the Digest credentials are for another request");
  return { kind: "digest", user, algorithm, method, uri, nonce, nc, cnonce, response };
}

interface Parameter {
  readonly value: string;
  readonly quoted: boolean;
}

/** The parameters of one scheme by lower-case name; undefined when they are not a list, or when one occurs twice. */
function parametersOf(text: string): ReadonlyMap<string, Parameter> | undefined {
  const found = challengesIn(`x ${text}`);
  return found.length === 1 ? found[0]?.parameters : undefined;
}

interface Scheme {
  readonly scheme: string;
  /** Undefined when they are malformed. */
  readonly parameters: ReadonlyMap<string, Parameter> | undefined;
}

/** The schemes of a field with their parameters (RFC 7235 2.1), as far as the field can be read. */
function challengesIn(text: string): readonly Scheme[] {
  const found: { scheme: string; parameters: Map<string, Parameter> | undefined }[] = [];
  const at = (pattern: RegExp, from: number) => {
    pattern.lastIndex = from;
    return pattern.exec(text);
  };
  let position = 0;
  while (position < text.length) {
    const last = found.at(-1);
    const parameter = last === undefined ? null : at(parameterPattern, position);
    if (last !== undefined && parameter !== null) {
      const [, name = "", inQuotes, token] = parameter;
      const key = name.toLowerCase();
      const value = inQuotes === undefined ? (token ?? "") : inQuotes.replace(/\\(.)/g, "$1");
      if (last.parameters?.has(key) === true) last.parameters = undefined;
      else last.parameters?.set(key, { value, quoted: inQuotes !== undefined });
      position = parameterPattern.lastIndex;
      continue;
    }
    const scheme = at(schemePattern, position);
    if (scheme === null) {
      if (last !== undefined) last.parameters = undefined;
      return found;
    }
    found.push({ scheme: scheme[1] ?? "", parameters: new Map() });
    position = schemePattern.lastIndex;
  }
  return found;
}

function understood({ scheme, parameters }: Scheme): readonly Challenge[] {
  const given = (name: string) => parameters?.get(name)?.value;
  const [where, nonce, opaque] = [given("realm"), given("nonce"), given("opaque")];
  if (where === undefined) return [];
  if (scheme.toLowerCase() === "basic") return [{ kind: "basic", realm: where }];
  const algorithm = algorithmOf(given("algorithm") ?? "MD5");
  const qop = (given("qop") ?? "").split(",").map((each) => each.trim());
  if (scheme.toLowerCase() !== "digest" || nonce === undefined || algorithm === undefined || !qop.includes("auth"))
    return [];
  const stale = given("stale")?.toLowerCase() === "true";
  return [{ kind: "digest", realm: where, nonce, algorithm, stale, ...(opaque === undefined ? {} : { opaque }) }];
}

function algorithmOf(text: string): DigestAlgorithm | undefined {
  const name = text.toUpperCase();
  return name === "SHA-256" || name === "MD5" ? name : undefined;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** RFC 8187 3.2.1: the characters that need no encoding are fewer than those of a URI. */
function extended(text: string): string {
  return encodeURIComponent(text).replace(/['()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

function malformed(message: string): EstRefused {
  return new EstRefused("credentials-malformed", message);
}

/** `name = token` or `name = "string"` (RFC 7235 2.1), with the comma behind it; each character is looked at once. */
const parameterPattern =
  /[ \t,]*([\w!#$%&'*+.^`|~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+))[ \t]*(?:,[ \t,]*|$)/y;
/** A scheme's name, with the token that some have in place of parameters. */
const schemePattern = /[ \t,]*([\w!#$%&'*+.^`|~-]+)(?:[ \t]+(?:[\w~+/.-]+=*[ \t]*(?=,|$))?|(?=,|$))(?:,[ \t,]*)?/y;
