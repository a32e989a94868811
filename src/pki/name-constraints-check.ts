import type { GeneralName } from "./general-name.ts";
import { isHostName } from "./host-name.ts";
import { isNameWithin, mayBeWithin } from "./name.ts";
import type { NameConstraints, Subtree } from "./name-constraints.ts";

/**
 * The first of `names` that `constraints` do not allow; undefined when they allow them all. A name is allowed when it is in no
 * excluded subtree, and in a permitted one if there is one of its form (RFC 5280 6.1.3 (b), (c)). Names that cannot be compared
 * with a subtree of their form are not allowed: those of forms whose subtrees RFC 5280 4.2.1.10 leaves undefined, and those
 * that are not well-formed. A directoryName is excluded when `mayBeWithin` says so, and permitted when `isNameWithin` does. One
 * name costs one comparison for each subtree.
 */
export function forbiddenName(
  names: readonly GeneralName[],
  { permittedSubtrees, excludedSubtrees }: NameConstraints,
): GeneralName | undefined {
  return names.find((name) => {
    const host = hostOf(name);
    if (excludedSubtrees.some((base) => touching.has(relationOf(name, host, base, mayBeWithin)))) return true;
    const ofItsForm = permittedSubtrees
      .map((base) => relationOf(name, host, base, isNameWithin))
      .filter((relation) => relation !== "other-form");
    return ofItsForm.length > 0 && !ofItsForm.includes("within");
  });
}

/** `partly` is a wildcard of which one name is within, or a name of which nobody can tell. */
type Relation = "within" | "outside" | "partly" | "other-form";

/** `host` is that of the name, found once for all subtrees; `isWithin` compares directoryNames. */
function relationOf(
  name: GeneralName,
  host: string | undefined,
  base: Subtree,
  isWithin: typeof isNameWithin,
): Relation {
  if (name.kind !== base.kind) return "other-form";
  switch (base.kind) {
    case "directoryName":
      return name.kind === base.kind && isWithin(name.name, base.name) ? "within" : "outside";
    case "iPAddress":
      return name.kind === base.kind && isInRange(name.address, base) ? "within" : "outside";
    case "dNSName":
    case "rfc822Name":
    case "uniformResourceIdentifier":
      return name.kind === base.kind && host !== undefined ? ofText(name.text, host, base) : "partly";
    case "otherName":
      // Each type of otherName is a form of its own.
      return name.kind === base.kind && name.type === base.type ? "partly" : "other-form";
    default:
      return "partly";
  }
}

function ofText(text: string, host: string, base: Subtree & { readonly text: string }): Relation {
  const wanted = base.text.toLowerCase();
  if (base.kind === "dNSName") {
    // "Any DNS name that can be constructed by simply adding zero or more labels to the left-hand side."
    if (wanted === "" || host === wanted || host.endsWith(`.${wanted}`)) return "within";
    // A wildcard stands for one label: of the names that it stands for, only the subtree's own name can be within.
    return text.startsWith("*.") && wanted.slice(wanted.indexOf(".") + 1) === host ? "partly" : "outside";
  }
  const at = base.text.lastIndexOf("@");
  // RFC 5321 2.4: what stands before the "@" is the host's own matter, its case too.
  const isMailbox = base.kind === "rfc822Name" && at !== -1;
  if (isMailbox && text.slice(0, text.lastIndexOf("@")) !== base.text.slice(0, at)) return "outside";
  const wantedHost = wanted.slice(at + 1);
  // With a leading period all hosts below it and not itself, else this host alone.
  const matches = wantedHost.startsWith(".") ? host.endsWith(wantedHost) : host === wantedHost;
  return wantedHost === "" || matches ? "within" : "outside";
}

function isInRange(octets: Uint8Array, { address, mask }: Subtree & { readonly kind: "iPAddress" }): boolean {
  if (octets.length !== mask.length) return false;
  return mask.every((bits, index) => (((octets[index] ?? 0) ^ (address[index] ?? 0)) & bits) === 0);
}

/** The host that a name holds, in lower case, and for a wildcard its domain; undefined when there is none to compare. */
function hostOf(name: GeneralName): string | undefined {
  const host = hostTextOf(name);
  return host !== undefined && isHostName(host) ? host.toLowerCase() : undefined;
}

function hostTextOf(name: GeneralName): string | undefined {
  switch (name.kind) {
    case "dNSName":
      return name.text.replace(/^\*\./, "");
    case "rfc822Name":
      // RFC 5321 4.1.2: an "@" before the last one is within quotes.
      return /^(?:[^@]+|".*")@([^@]*)$/s.exec(name.text)?.[1];
    case "uniformResourceIdentifier":
      // RFC 3986 3.2; a URI without a host, or with an IP address in its place, is to be refused.
      return /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#@:]*)(?::\d*)?(?:[/?#]|$)/i.exec(name.text)?.[1];
    default:
      return undefined;
  }
}

const touching: ReadonlySet<Relation> = new Set(["within", "partly"]);
