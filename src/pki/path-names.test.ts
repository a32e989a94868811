import assert from "node:assert/strict";
import { test } from "node:test";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import type { Certificate } from "./certificate.ts";
import type { GeneralName } from "./general-name.ts";
import { encodeName, parseName } from "./name.ts";
import { encodeNameConstraints, type Subtree } from "./name-constraints.ts";
import { attributeTypes } from "./oids.ts";
import { ca, endEntity, now, type Party, party, refuses } from "./path.test-support.ts";
import { type PathInput, validatePath } from "./path.ts";
import { encodeBasicConstraints, encodeSubjectAltName } from "./standard-extensions.ts";

const [root, middle, low, device] = ["Root", "Middle", "Low", "Device"].map(party) as [Party, Party, Party, Party];
const plainRoot = await ca(root, root);

/** X.680 41: a type whose characters nobody here knows. */
const generalString = 27;

const dns = (text: string) => ({ kind: "dNSName" as const, text });
const mail = (text: string) => ({ kind: "rfc822Name" as const, text });
const names = (...list: readonly GeneralName[]) => ({ extensions: [encodeSubjectAltName(list)] });
const permitting = (...permittedSubtrees: readonly Subtree[]) => ({
  extensions: [encodeNameConstraints({ permittedSubtrees, excludedSubtrees: [] })],
});
const excluding = (...excludedSubtrees: readonly Subtree[]) => ({
  extensions: [encodeNameConstraints({ permittedSubtrees: [], excludedSubtrees })],
});

function input(chain: readonly Certificate[], anchor = plainRoot): PathInput {
  return { chain, anchors: [anchor], at: now, profile: "tls-client" };
}

function accepts(chain: readonly Certificate[], anchor?: Certificate): void {
  assert.equal(validatePath(input(chain, anchor)).path.length, chain.length);
}

test("ok/a CA in between binds what is below it", async () => {
  const constrained = await ca(root, middle, permitting(dns("example.com")));
  accepts([await endEntity(middle, device, names(dns("host.example.com"))), constrained]);
  accepts([await endEntity(middle, device), constrained]);
  const stray = [await endEntity(middle, device, names(dns("host.example.com"), dns("example.org"))), constrained];
  const { details } = refuses("name-not-permitted", input(stray));
  assert.deepEqual(details, { subject: "CN=Device", issuer: "CN=Middle" });
});

test("ok/an anchor binds too", async () => {
  const constrained = await ca(root, root, excluding(dns("example.org")));
  accepts([await endEntity(root, device, names(dns("example.com")))], constrained);
  refuses("name-not-permitted", input([await endEntity(root, device, names(dns("example.org")))], constrained));
});

test("ok/constraints that are not critical bind all the same", async () => {
  const [extension] = permitting(dns("example.com")).extensions;
  assert.ok(extension);
  const constrained = await ca(root, middle, { extensions: [{ ...extension, critical: false }] });
  accepts([await endEntity(middle, device, names(dns("example.com"))), constrained]);
  refuses("name-not-permitted", input([await endEntity(middle, device, names(dns("example.org"))), constrained]));
});

test("ok/permitted subtrees narrow along the path, excluded ones add up", async () => {
  const leaf = (text: string) => endEntity(low, device, names(dns(text)));
  const above = await ca(root, middle, {
    extensions: [
      encodeNameConstraints({ permittedSubtrees: [dns("example.com")], excludedSubtrees: [dns("x.example.com")] }),
    ],
  });
  const below = await ca(middle, low, {
    extensions: [
      encodeNameConstraints({
        permittedSubtrees: [dns("a.example.com"), dns("example.org")],
        excludedSubtrees: [dns("y.a.example.com")],
      }),
    ],
  });
  accepts([await leaf("b.a.example.com"), below, above]);
  for (const text of ["b.example.com", "example.org", "x.example.com", "y.a.example.com"])
    refuses("name-not-permitted", input([await leaf(text), below, above]));
});

test("ok/the names of CAs in between are held to them, those of a CA that changes its key are not", async () => {
  const constrained = await ca(root, middle, permitting(dns("example.com")));
  const stray = names(dns("example.org"));
  const leaf = await endEntity(low, device, names(dns("example.com")));
  refuses("name-not-permitted", input([leaf, await ca(middle, low, stray), constrained]));
  const rolled = party("Middle");
  const rollOver = await ca(middle, rolled, stray);
  accepts([await endEntity(rolled, device, names(dns("example.com"))), rollOver, constrained]);
  // The first certificate is held to them even when it is self-issued.
  refuses("name-not-permitted", { ...input([rollOver, constrained]), profile: "ca" });
  accepts([leaf, await ca(middle, low), constrained]);
});

test("ok/a subject is a directoryName, unless it is empty", async () => {
  const example = { type: attributeTypes.organizationName, value: "Example" };
  const organization = { kind: "directoryName" as const, name: parseName(encodeName([example])) };
  const constrained = await ca(root, middle, permitting(organization));
  const of = (name: Uint8Array) => ({ ...device, name });
  const inside = of(encodeName([example, { type: attributeTypes.commonName, value: "Device" }]));
  accepts([await endEntity(middle, inside), constrained]);
  accepts([await endEntity(middle, of(encodeName([])), names(dns("example.com"))), constrained]);
  refuses("name-not-permitted", input([await endEntity(middle, device), constrained]));
  const outside: GeneralName = { kind: "directoryName", name: parseName(device.name) };
  refuses("name-not-permitted", input([await endEntity(middle, inside, names(outside)), constrained]));
});

test("fail/an excluded directoryName in another string type, or with what nobody sees in it", async () => {
  const organization = (value: Uint8Array) =>
    der.sequence([der.setOf([der.sequence([der.objectIdentifier(attributeTypes.organizationName), value])])]);
  const excluded = parseName(organization(der.utf8String("Evil")));
  const constrained = await ca(root, middle, excluding({ kind: "directoryName", name: excluded }));
  const leaf = (value: Uint8Array) => endEntity(middle, { ...device, name: organization(value) });
  const utf16 = Buffer.from("Evil", "utf16le").swap16();
  for (const value of [
    der.printableString("EVIL"),
    der.ia5String("Evil"),
    der.element(tags.teletexString, Buffer.from("Evil")),
    der.element(tags.bmpString, utf16),
    der.utf8String("E\u00advil"),
    der.utf8String("Evil\u200b"),
    der.element(generalString, Buffer.from("Evil")),
  ])
    refuses("name-not-permitted", input([await leaf(value), constrained]));
  for (const value of [der.utf8String("E vil"), der.element(tags.teletexString, Buffer.from("Good"))])
    accepts([await leaf(value), constrained]);
  // To be permitted takes more than to look alike.
  const permitted = await ca(root, middle, permitting({ kind: "directoryName", name: excluded }));
  refuses("name-not-permitted", input([await leaf(der.ia5String("Evil")), permitted]));
});

test("ok/an emailAddress of the subject is an rfc822Name, a common name is no dNSName", async () => {
  const constrained = await ca(root, middle, permitting(mail("example.com"), dns("example.com")));
  const mailing = (value: string) => ({
    ...device,
    name: encodeName([
      { type: attributeTypes.emailAddress, value },
      { type: attributeTypes.commonName, value: "host.example.org" },
    ]),
  });
  accepts([await endEntity(middle, mailing("user@example.com")), constrained]);
  const stray = mailing("user@example.org");
  refuses("name-not-permitted", input([await endEntity(middle, stray), constrained]));
  refuses("name-not-permitted", input([await endEntity(middle, stray, names(dns("example.com"))), constrained]));
});

test("ok/another CA of the same name that may name it is found", async () => {
  const stranger = party("Stranger");
  const strangerRoot = await ca(stranger, stranger);
  const leaf = await endEntity(middle, device, names(dns("example.com")));
  const chain = [leaf, await ca(root, middle, permitting(dns("example.org"))), await ca(stranger, middle)];
  const { anchor } = validatePath({ ...input(chain), anchors: [plainRoot, strangerRoot] });
  assert.equal(anchor, strangerRoot);
});

test("fail/name constraints of what is no CA", async () => {
  const leaf = await endEntity(root, device, permitting(dns("example.com")));
  refuses("critical-extension", input([leaf]));
  const [extension] = permitting(dns("example.com")).extensions;
  assert.ok(extension);
  const both = { extensions: [extension, encodeBasicConstraints({ cA: true })] };
  accepts([await endEntity(root, device, both)]);
});

test("fail/names times constraints without end", async () => {
  const many = (count: number, of: string) => Array.from({ length: count }, (_, index) => dns(`${index}.${of}`));
  const constrained = await ca(root, middle, {
    extensions: [
      encodeNameConstraints({ permittedSubtrees: many(500, "a.example"), excludedSubtrees: many(500, "b.example") }),
    ],
  });
  refuses("too-many-names", input([await endEntity(middle, device, names(...many(250, "a.example"))), constrained]));
  accepts([await endEntity(middle, device, names(...many(50, "a.example"))), constrained]);
  // The same work again for each of several CAs that lead nowhere.
  const leaf = await endEntity(middle, device, names(...many(40, "c.example")));
  const others = await Promise.all(
    Array.from({ length: 4 }, () =>
      ca({ ...root, signer: low.signer }, middle, { extensions: constrained.extensions }),
    ),
  );
  refuses("too-many-names", input([leaf, ...others]));
});
