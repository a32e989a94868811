import { keyPurposes } from "./oids.ts";
import type { KeyUsage } from "./standard-extensions.ts";

/**
 * What the first certificate is to be used for: an identity made by a manufacturer, the server's or the client's end of TLS, a
 * CA, the signature of vouchers by a manufacturer's authority (the MASA of BRSKI, the voucher signer of SZTP), or that of answers
 * of CMC.
 */
export type Profile = "idevid" | "tls-server" | "tls-client" | "ca" | "voucher-signer" | "cmc-responder";

export interface ProfileRules {
  /** What its key is used for; a keyUsage without it is refused. */
  readonly keyUsage: KeyUsage;
  /** Whether it has to be a CA. */
  readonly cA: boolean;
  /** An extKeyUsage, its own or that of a CA above it, has to hold one of these; undefined when it does not matter. */
  readonly purposes: readonly string[] | undefined;
  /** Whether it may be an anchor itself, with nothing above it to check. */
  readonly anchorItself: boolean;
}

/**
 * All that the profiles ask beyond RFC 5280 6.1, which is the same for all of them. Dates are held against the clock wherever
 * there is one: an IDevID says 99991231235959Z and never ends, and a device without a clock passes `at: undefined` with any
 * profile. No profile asks for a name: `matchesHostName` tells whom a server's certificate is for, and what serialNumber an
 * IDevID has to have is the protocol's to say.
 */
export const profileRules: Readonly<Record<Profile, ProfileRules>> = {
  // IEEE 802.1AR 8.10: the key signs. What its extKeyUsage says is left to the manufacturer.
  idevid: { keyUsage: "digitalSignature", cA: false, purposes: undefined, anchorItself: false },
  // RFC 8446 4.4.2.2, RFC 5246 7.4.2; RFC 5280 4.2.1.12.
  "tls-server": {
    keyUsage: "digitalSignature",
    cA: false,
    purposes: [keyPurposes.serverAuth, keyPurposes.anyExtendedKeyUsage],
    anchorItself: false,
  },
  // RFC 8446 4.4.2.4, RFC 5246 7.4.6; RFC 5280 4.2.1.12.
  "tls-client": {
    keyUsage: "digitalSignature",
    cA: false,
    purposes: [keyPurposes.clientAuth, keyPurposes.anyExtendedKeyUsage],
    anchorItself: false,
  },
  // RFC 5280 6.1.4 (k) to (n). What a CA's extKeyUsage says is about the certificates below it.
  ca: { keyUsage: "keyCertSign", cA: true, purposes: undefined, anchorItself: false },
  // RFC 8366 5.4 and RFC 8995 5.6 ask for a signature that leads to a trust anchor of the manufacturer's, which may be the
  // signer itself, and name no extKeyUsage. So one that names purposes is for those only (RFC 5280 4.2.1.12): a TLS server of
  // the same manufacturer signs no vouchers, and a registrar, which RFC 8995 5.5.4 knows by id-kp-cmcRA, only requests them.
  "voucher-signer": {
    keyUsage: "digitalSignature",
    cA: false,
    purposes: [keyPurposes.anyExtendedKeyUsage],
    anchorItself: true,
  },
  // RFC 6402 2.10. Who has no extKeyUsage is for the caller to tell from a device's certificate.
  "cmc-responder": {
    keyUsage: "digitalSignature",
    cA: false,
    purposes: [keyPurposes.cmcCA, keyPurposes.cmcRA],
    anchorItself: false,
  },
};
