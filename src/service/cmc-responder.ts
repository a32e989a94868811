import { type Certificate, parseCertificate } from "../pki/certificate.ts";
import { keyPurposes } from "../pki/oids.ts";
import type { CmcResponder, Ports } from "../protocols/ports.ts";
import type { Authority } from "./authority.ts";
import { type Delegate, type DelegateParts, delegatesFor } from "./delegate.ts";

/**
 * Who signs a tenant's answers of CMC: a delegate of the CA that issues now, by id-kp-cmcCA, under the CA's own name as RFC 6402
 * 2.10 wants it. The CA's key signs certificates and CRLs alone. What it throws is what the CA's signer throws.
 */
export function cmcResponderOf(authority: () => Authority, parts: DelegateParts): Ports["cmcResponder"] {
  const duty = { purpose: keyPurposes.cmcCA, subject: subjectOf, extensions: [] };
  const delegateOf = delegatesFor(duty, authority, parts);
  let last: { readonly delegate: Delegate; readonly responder: CmcResponder } | undefined;
  return async () => {
    const { issuing } = await authority().hierarchy();
    const delegate = await delegateOf(issuing);
    if (last?.delegate !== delegate) last = { delegate, responder: responderOf(delegate, issuing.certificate) };
    return last.responder;
  };
}

function responderOf({ signer, certificate }: Delegate, issuer: Certificate): CmcResponder {
  return { signer, certificate: parseCertificate(certificate), issuer };
}

function subjectOf({ certificate }: { readonly certificate: Certificate }): Uint8Array {
  return certificate.subject.raw;
}
