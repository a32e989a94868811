import type { Clock } from "../core/clock.ts";
import type { Randomness } from "../core/randomness.ts";
import { generateKey, signerOf } from "../crypto/keys.ts";
import type { Signer } from "../crypto/signer.ts";
import type { Extension } from "../pki/extensions.ts";
import { buildCertificate } from "../pki/issue.ts";
import {
  encodeAuthorityKeyIdentifier,
  encodeExtKeyUsage,
  encodeKeyUsage,
  encodeSubjectKeyIdentifier,
  keyIdentifierOf,
} from "../pki/standard-extensions.ts";
import { type Authority, identifierOf } from "./authority.ts";
import { newSerialNumber } from "./authority-create.ts";
import type { CaCertificate } from "./authority-hierarchy.ts";

/** A key to which a CA has delegated one duty. */
export interface Delegate {
  readonly certificate: Uint8Array;
  readonly signer: Signer;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** What is delegated. */
export interface Duty {
  /** The purpose of the delegate's key in dotted form. */
  readonly purpose: string;
  /** Name in DER. */
  readonly subject: (ca: CaCertificate) => Uint8Array;
  readonly extensions: readonly Extension[];
}

export interface DelegateParts {
  readonly clock: Clock;
  readonly randomness: Randomness;
}

/**
 * The delegate of each of a tenant's CAs, with a key that lives in this process alone. Strangers cause these signatures, with
 * nonces of their choice and as many as they like: that is no work for the key of a CA, least of all for one in a hardware
 * module. Throws what the CA's signer throws, and tries again when asked again.
 */
export function delegatesFor(
  { purpose, subject, extensions }: Duty,
  authority: () => Pick<Authority, "signer">,
  { clock, randomness }: DelegateParts,
): (ca: CaCertificate) => Promise<Delegate> {
  const delegates = new Map<string, Promise<Delegate>>();

  async function certified(ca: CaCertificate): Promise<Delegate> {
    const signer = signerOf(generateKey("P-256"));
    const notBefore = clock.now() - clockSkew;
    const notAfter = Math.min(notBefore + validity, ca.certificate.notAfter);
    const certificate = await buildCertificate({
      serialNumber: newSerialNumber(randomness),
      issuer: ca.certificate.subject.raw,
      subject: subject(ca),
      publicKey: signer.publicKey,
      notBefore,
      notAfter,
      extensions: [
        encodeKeyUsage(["digitalSignature"]),
        encodeExtKeyUsage([purpose]),
        ...extensions,
        // Under the CA's own name this alone tells the two apart: OpenSSL takes the delegate for a root without it.
        encodeSubjectKeyIdentifier(keyIdentifierOf(signer.publicKey)),
        encodeAuthorityKeyIdentifier(identifierOf(ca)),
      ],
      signer: await authority().signer(ca),
    });
    return { certificate, signer, notBefore, notAfter };
  }

  function renewed(ca: CaCertificate): Promise<Delegate> {
    const made = certified(ca);
    delegates.set(ca.fingerprint, made);
    made.catch(() => delegates.delete(ca.fingerprint));
    return made;
  }

  return async (ca) => {
    const present = delegates.get(ca.fingerprint);
    if (present === undefined) return renewed(ca);
    const delegate = await present;
    const now = clock.now();
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
