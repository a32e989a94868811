import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import { buildCertificate } from "../pki/issue.ts";
import { encodeName } from "../pki/name.ts";
import { attributeTypes, keyPurposes } from "../pki/oids.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeOcspNoCheck,
} from "../pki/standard-extensions.ts";
import { type Authority, identifierOf } from "./authority.ts";
import { newSerialNumber } from "./authority-create.ts";
import type { CaCertificate } from "./authority-hierarchy.ts";

/** A key to which a CA has delegated the signing of OCSP responses (RFC 6960 4.2.2.2). */
export interface OcspDelegate {
  readonly certificate: Uint8Array;
  readonly signer: Signer;
  readonly notBefore: number;
  readonly notAfter: number;
}

interface DelegateParts {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly authority: Pick<Authority, "signer">;
}

/**
 * The delegate of each of a tenant's CAs, with a key that lives in this process alone. Strangers cause these signatures, with
 * nonces of their choice and as many as they like: that is no work for the key of a CA, least of all for one in a hardware
 * module. Throws what the CA's signer throws, and tries again when asked again.
 */
export function ocspDelegates(tenant: string, parts: DelegateParts): (ca: CaCertificate) => Promise<OcspDelegate> {
  const delegates = new Map<string, Promise<OcspDelegate>>();

  async function certified(ca: CaCertificate): Promise<OcspDelegate> {
    const { clock, randomness, authority } = parts;
    const signer = signerOf(generateKey("P-256"));
    const notBefore = clock.now() - clockSkew;
    const notAfter = Math.min(notBefore + validity, ca.certificate.notAfter);
    const certificate = await buildCertificate({
      serialNumber: newSerialNumber(randomness),
      issuer: ca.certificate.subject.raw,
      subject: encodeName([{ type: attributeTypes.commonName, value: `OCSP responder of ${tenant}` }]),
      publicKey: signer.publicKey,
      notBefore,
      notAfter,
      extensions: [
        encodeKeyUsage(["digitalSignature"]),
        encodeExtKeyUsage([keyPurposes.OCSPSigning]),
        // Nobody can ask for the status of who tells statuses; its short life takes the place of that.
        encodeOcspNoCheck(),
        encodeAuthorityKeyIdentifier(identifierOf(ca)),
      ],
      signer: await authority.signer(ca),
    });
    return { certificate, signer, notBefore, notAfter };
  }

  function renewed(ca: CaCertificate): Promise<OcspDelegate> {
    const made = certified(ca);
    delegates.set(ca.fingerprint, made);
    made.catch(() => delegates.delete(ca.fingerprint));
    return made;
  }

  return async (ca) => {
    const present = delegates.get(ca.fingerprint);
    if (present === undefined) return renewed(ca);
    const delegate = await present;
    const now = parts.clock.now();
    const fresh = now >= delegate.notBefore && now < (delegate.notBefore + delegate.notAfter) / 2;
    // Who asks at the same time waits for the same one.
    if (fresh || delegates.get(ca.fingerprint) !== present) return delegate;
    try {
      return await renewed(ca);
    } catch (error) {
      if (now < delegate.notBefore || now >= delegate.notAfter) throw error;
      // A CA that cannot sign today leaves the rest of the time that its delegate has.
      delegates.set(ca.fingerprint, present);
      return delegate;
    }
  };
}

/** Devices' clocks are often a little behind. */
const clockSkew = 5 * 60 * 1000;
const validity = 7 * 24 * 3600 * 1000;
