import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeDer } from "../../encoding/der.ts";
import { contextConstructed, tags } from "../../encoding/tags.ts";
import type { AttrOrOid } from "../../pki/csr-attributes.ts";
import { requirementsOf } from "../../pki/csr-attributes-requirements.ts";
import { encodeName } from "../../pki/name.ts";
import {
  attributeTypes,
  extensionTypes,
  keyPurposes,
  keyTypes,
  requestAttributes,
  templateAttributes,
} from "../../pki/oids.ts";
import type { CertificateProfile } from "../ports.ts";
import { elementsFor } from "./server-csrattrs.ts";

const profile: CertificateProfile = {
  name: "device",
  keys: ["P-256", "P-384", "P-521", "Ed25519", "RSA"],
  leastRsaBits: 2048,
  subjectAltName: ["dNSName"],
  keyUsage: ["digitalSignature"],
  extKeyUsage: [keyPurposes.clientAuth],
  subject: [],
  requestExtensions: [],
  csrattrs: "template",
  renewal: { after: 0, grace: 0, sameKey: true },
  binding: "accepted",
  registrationAuthority: "",
  serverKey: "none",
  changeSubjectName: "refused",
  fullcmc: "refused",
};

/** The fields of the one template among elements, by their tags. */
function fieldsOf(elements: readonly AttrOrOid[]): readonly number[] {
  const template = elements.find(({ type }) => type === templateAttributes.requestInfoTemplate);
  assert.ok(template?.kind === "attribute" && template.values.length === 1);
  return decodeDer(template.values[0] as Uint8Array, (reader) =>
    reader.sequence((content) => {
      const found: number[] = [];
      while (!content.done) found.push(content.any().tag);
      return found;
    }),
  );
}

const [version, subject, key, attributes] = [tags.integer, tags.sequence, contextConstructed(0), contextConstructed(1)];
const demands: readonly (readonly [string, Partial<CertificateProfile>, readonly number[]])[] = [
  ["an attribute of the subject", { subject: [{ type: "serialNumber" }] }, [version, subject, attributes]],
  ["one kind of key", { keys: ["P-384"] }, [version, key, attributes]],
  ["an extension", { requestExtensions: ["keyUsage"] }, [version, attributes]],
  ["the channel binding", { binding: "required" }, [version, attributes]],
  [
    "a subject and a key",
    { keys: ["Ed25519"], subject: [{ type: "organizationName", value: "Acme" }] },
    [version, subject, key, attributes],
  ],
];
for (const [name, demand, fields] of demands)
  test(`ok/E26: a template for ${name} has a subject and a key exactly when they are demanded`, () => {
    assert.deepEqual(fieldsOf(elementsFor({ ...profile, ...demand })), fields);
  });

test("ok/E22: a profile that demands nothing has no element in any form", () => {
  for (const csrattrs of ["none", "attributes", "template", "both"] as const)
    assert.deepEqual(elementsFor({ ...profile, csrattrs }), []);
});

test("ok/none: nothing is told, whatever is demanded", () => {
  const demanding = { keys: ["P-256"], binding: "required", requestExtensions: ["keyUsage"] } as const;
  assert.deepEqual(elementsFor({ ...profile, ...demanding, csrattrs: "none" }), []);
});

test("ok/extensions that the profile's certificates do not hold are not asked for", () => {
  const without = {
    subjectAltName: [],
    extKeyUsage: [],
    requestExtensions: ["subjectAltName", "extKeyUsage"],
  } as const;
  assert.deepEqual(elementsFor({ ...profile, ...without, csrattrs: "both" }), []);
});

test("ok/attributes: what is left to the device stands there as a bare type, and extensions only with their values", () => {
  const elements = elementsFor({
    ...profile,
    csrattrs: "attributes",
    keys: ["RSA"],
    subject: [{ type: "serialNumber" }, { type: "countryName", value: "CH" }],
    requestExtensions: ["subjectAltName", "keyUsage"],
  });
  assert.deepEqual(
    elements.map(({ kind, type }) => [kind, type]),
    [
      ["attribute", keyTypes.rsaEncryption],
      ["oid", attributeTypes.serialNumber],
      ["attribute", attributeTypes.countryName],
      ["attribute", requestAttributes.extensionRequest],
    ],
  );
  assert.deepEqual(
    requirementsOf(elements).extensions.map(({ type }) => type),
    [extensionTypes.keyUsage],
  );
});

test("ok/values have the string types that certificates have them in", () => {
  const subjectOf = (type: "countryName" | "organizationName", value: string) =>
    requirementsOf(elementsFor({ ...profile, subject: [{ type, value }] })).subject[0]?.[0]?.value;
  for (const [type, value] of [
    ["countryName", "CH"],
    ["organizationName", "Ümlaut & Co"],
  ] as const) {
    const found = Buffer.from(subjectOf(type, value) ?? []);
    assert.ok(found.length > 0 && Buffer.from(encodeName([{ type: attributeTypes[type], value }])).includes(found));
  }
});
