import { hex } from "../core/bytes.ts";
import { addressOctets } from "../transport/address.ts";

/**
 * Tells of a host name, or of an address in text or octets, whether it is one of `names`. Case does not matter, nor the dot of the
 * root at the end.
 */
export function ownNames(names: readonly string[]): (name: string | Uint8Array) => boolean {
  const own = new Set(names.map(folded));
  return (name) => own.has(folded(name));
}

function folded(name: string | Uint8Array): string {
  const address = typeof name === "string" ? addressOctets(name) : name;
  // No host name holds a colon.
  if (address !== undefined) return `address:${hex(address)}`;
  return String(name).toLowerCase().replace(/\.$/, "");
}
