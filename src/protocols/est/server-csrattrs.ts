import type { Peer } from "../../core/link.ts";
import { type AttrOrOid, encodeCsrAttrs } from "../../pki/csr-attributes.ts";
import {
  asksForNothing,
  attributesFor,
  type RequestRequirements,
  templateFor,
} from "../../pki/csr-attributes-requirements.ts";
import type { ExtensionTemplate, KeyRequirement } from "../../pki/csr-attributes-template.ts";
import { encodeName, parseName } from "../../pki/name.ts";
import { attributeTypes, curves, extensionTypes, keyTypes, requestAttributes } from "../../pki/oids.ts";
import { encodeExtKeyUsage, encodeKeyUsage, encodeSubjectAltName } from "../../pki/standard-extensions.ts";
import type { CertificateProfile, CertifiedKeyKind, Ports, RequestedExtension } from "../ports.ts";
import { EstRefused } from "./errors.ts";
import { type EstRequest, encodeAttributes } from "./messages.ts";
import { requireProfile } from "./profile.ts";
import { known, note, recordFrame } from "./record.ts";
import { recordAssociation, refused, stranger } from "./server-reply.ts";
import type { EstStep } from "./session.ts";

/** What the label's profile wants in requests (RFC 7030 4.5); nobody is authenticated for it. */
export async function csrattrs(request: EstRequest, peer: Peer, ports: Ports): Promise<EstStep> {
  recordAssociation(peer, await ports.issuer.issuers(), ports);
  recordFrame(ports.run, "csrattrs", "request", peer, 0);
  try {
    const elements = elementsFor(await requireProfile(request, ports));
    const body = encodeAttributes(elements, "line");
    const says = elements.length > 0;
    recordFrame(ports.run, "csrattrs", "response", peer, says ? body.length : 0, {
      carries: says ? [known.wishes.fact] : [],
      decoded: { elements: elements.length },
    });
    if (says) note(ports.run, "hold", known.wishes, "coordinator", encodeCsrAttrs(elements));
    return { next: "keep", writes: [], outputs: [{ kind: "send", reply: { kind: "csrattrs", elements } }] };
  } catch (error) {
    if (!(error instanceof EstRefused)) throw error;
    return refused(error, stranger, "csrattrs", peer, ports);
  }
}

/**
 * What a profile asks for, in the forms that it wants to say it in; empty when there is nothing to say. In both forms at once a
 * device that knows templates reads the template alone (RFC 9908, co-existence), and one that does not ignores it.
 */
export function elementsFor(profile: CertificateProfile): readonly AttrOrOid[] {
  const requirements = requirementsFor(profile);
  const template = asksForNothing(requirements) ? [] : [templateFor(requirements)];
  switch (profile.csrattrs) {
    case "none":
      return [];
    case "attributes":
      return attributesFor(requirements);
    case "template": {
      // RFC 7030 3.5 wants it listed for all who ask.
      const linking = { kind: "oid", type: requestAttributes.challengePassword } as const;
      return requirements.challengePassword ? [linking, ...template] : template;
    }
    case "both":
      return [...attributesFor(requirements), ...template];
  }
}

function requirementsFor(profile: CertificateProfile): RequestRequirements {
  return {
    challengePassword: profile.binding === "required",
    keys: keysFor(profile),
    // Every signature that is believed here fits its key: there is nothing to choose.
    signatureAlgorithms: [],
    subject: profile.subject.map(({ type, value }) => [
      { type: attributeTypes[type], ...(value === undefined ? {} : { value: encodedAs(attributeTypes[type], value) }) },
    ]),
    extensions: extensionsFor(profile),
  };
}

/** The value in the string type that certificates have it in. */
function encodedAs(type: string, value: string): Uint8Array {
  const [rdn] = parseName(encodeName([{ type, value }])).relativeDistinguishedNames;
  return rdn?.[0]?.value.raw ?? new Uint8Array(0);
}

/** Only one of several can be stated (RFC 9908 3.2), and to state one where others will do would keep devices out. */
function keysFor({ keys, leastRsaBits }: CertificateProfile): readonly KeyRequirement[] {
  const [kind, another] = keys;
  if (kind === undefined || another !== undefined) return [];
  if (kind !== "RSA") return [named[kind]];
  // 2048 bits are the least everywhere, and no wish of this profile.
  return [{ algorithm: keyTypes.rsaEncryption, ...(leastRsaBits > 2048 ? { bits: leastRsaBits } : {}) }];
}

function extensionsFor(profile: CertificateProfile): readonly ExtensionTemplate[] {
  return profile.requestExtensions.flatMap((extension) => extensionFor(extension, profile) ?? []);
}

/** Undefined for one that the profile's certificates do not hold. */
function extensionFor(
  extension: RequestedExtension,
  { subjectAltName, keyUsage, extKeyUsage }: CertificateProfile,
): ExtensionTemplate | undefined {
  switch (extension) {
    case "keyUsage":
      return encodeKeyUsage(keyUsage);
    case "extKeyUsage":
      return extKeyUsage.length === 0 ? undefined : encodeExtKeyUsage(extKeyUsage);
    case "subjectAltName":
      if (subjectAltName.length === 0) return undefined;
      // RFC 9908 3.4 has an empty form of an address alone; host names are left to the client with the whole extension.
      return subjectAltName.includes("dNSName")
        ? { type: extensionTypes.subjectAltName, critical: false }
        : encodeSubjectAltName([{ kind: "iPAddress", address: new Uint8Array(0) }]);
  }
}

const named: { readonly [kind in Exclude<CertifiedKeyKind, "RSA">]: KeyRequirement } = {
  "P-256": { algorithm: keyTypes.ecPublicKey, curve: curves["P-256"] },
  "P-384": { algorithm: keyTypes.ecPublicKey, curve: curves["P-384"] },
  "P-521": { algorithm: keyTypes.ecPublicKey, curve: curves["P-521"] },
  Ed25519: { algorithm: keyTypes.ed25519 },
};
