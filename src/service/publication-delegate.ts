import { encodeName } from "../pki/name.ts";
import { attributeTypes, keyPurposes } from "../pki/oids.ts";
import { encodeOcspNoCheck } from "../pki/standard-extensions.ts";
import type { Authority } from "./authority.ts";
import type { CaCertificate } from "./authority-hierarchy.ts";
import { type Delegate, type DelegateParts, delegatesFor } from "./delegate.ts";

/** The delegates of a tenant's CAs that sign its OCSP responses (RFC 6960 4.2.2.2); see `delegatesFor`. */
export function ocspDelegates(
  tenant: string,
  { authority, ...parts }: DelegateParts & { readonly authority: Pick<Authority, "signer"> },
): (ca: CaCertificate) => Promise<Delegate> {
  const subject = encodeName([{ type: attributeTypes.commonName, value: `OCSP responder of ${tenant}` }]);
  const duty = {
    purpose: keyPurposes.OCSPSigning,
    subject: () => subject,
    // Nobody can ask for the status of who tells statuses; its short life takes the place of that.
    extensions: [encodeOcspNoCheck()],
  };
  return delegatesFor(duty, () => authority, parts);
}
