import { BlockList, isIP } from "node:net";
import { TransportError } from "../errors.ts";

/** Addresses that the operator has listed. */
export interface AddressList {
  has(host: string): boolean;
}

/** Reads addresses and blocks such as `10.0.0.0/8` or `2001:db8::/32`; throws `invalid-address` with what to write. */
export function addressList(entries: readonly string[]): AddressList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", length, ...more] = entry.split("/");
    const family = isIP(address);
    const bits = family === 4 ? 32 : 128;
    const prefix = length === undefined ? bits : Number(length);
    if (family === 0 || more.length > 0 || !/^\d{1,3}$/.test(length ?? "0") || prefix > bits)
      throw new TransportError(
        "invalid-address",
        `${JSON.stringify(entry)} is no address and no block of addresses; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32.`,
      );
    list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  return { has: (host) => isIP(host) !== 0 && list.check(host, isIP(host) === 4 ? "ipv4" : "ipv6") };
}
