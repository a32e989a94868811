import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { utf8 } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { contextPrimitive } from "../encoding/tags.ts";
import { PkiError } from "./errors.ts";
import type { Extension } from "./extensions.ts";
import type { GeneralName } from "./general-name.ts";
import { encodeName, type NameAttribute, parseName } from "./name.ts";
import { encodeNameConstraints, nameConstraintsOf, type Subtree } from "./name-constraints.ts";
import { forbiddenName } from "./name-constraints-check.ts";
import { attributeTypes, extensionTypes } from "./oids.ts";

const { commonName, countryName, organizationName } = attributeTypes;

/** The base as it comes back from its DER. */
function read(base: Subtree): Subtree {
  const extension = encodeNameConstraints({ permittedSubtrees: [base], excludedSubtrees: [] });
  const [found] = nameConstraintsOf([extension])?.permittedSubtrees ?? [];
  assert.ok(found);
  return found;
}

function relation(name: GeneralName, base: Subtree): string {
  const subtree = read(base);
  const isPermitted = forbiddenName([name], { permittedSubtrees: [subtree], excludedSubtrees: [] }) === undefined;
  const isExcluded = forbiddenName([name], { permittedSubtrees: [], excludedSubtrees: [subtree] }) !== undefined;
  if (isPermitted) return isExcluded ? "within" : "other form";
  return isExcluded ? "unclear" : "outside";
}

type Row = readonly [base: string, name: string, relation: "within" | "outside" | "unclear"];

function holds(kind: "dNSName" | "rfc822Name" | "uniformResourceIdentifier", rows: readonly Row[]): void {
  for (const [base, name, expected] of rows)
    assert.equal(relation({ kind, text: name }, { kind, text: base }), expected, `${name} in ${base}`);
}

const longName = `${Array.from({ length: 4 }, () => "a".repeat(60)).join(".")}.example.com`;

test("ok/dNSName: a name and all below it, wildcards by every name that they stand for", () => {
  holds("dNSName", [
    ["example.com", "example.com", "within"],
    ["example.com", "EXAMPLE.com", "within"],
    ["Example.COM", "host.example.com", "within"],
    ["example.com", "a.b.example.com", "within"],
    ["example.com", "badexample.com", "outside"],
    ["example.com", "com", "outside"],
    ["example.com", "example.com.evil.example", "outside"],
    ["host.example.com", "example.com", "outside"],
    ["", "anything.example", "within"],
    ["example.com", "*.example.com", "within"],
    ["example.com", "*.a.example.com", "within"],
    ["host.example.com", "*.example.com", "unclear"],
    ["a.host.example.com", "*.example.com", "outside"],
    ["other.example", "*.example.com", "outside"],
    ["com", "*.com", "within"],
    // What is no name of a host can be in any subtree or in none.
    ["example.com", ".example.com", "unclear"],
    ["example.com", "example.com.", "unclear"],
    ["example.com", "f*.example.com", "unclear"],
    ["example.com", "*", "unclear"],
    ["example.com", "a.*.example.com", "unclear"],
    ["example.com", "192.0.2.1", "unclear"],
    ["example.com", "exa mple.com", "unclear"],
    ["example.com", "a\0.example.com", "unclear"],
    ["example.com", "", "unclear"],
    ["example.com", longName, "unclear"],
  ]);
});

test("ok/rfc822Name: a mailbox, a host, or the hosts below a domain", () => {
  holds("rfc822Name", [
    ["user@example.com", "user@EXAMPLE.com", "within"],
    ["user@example.com", "User@example.com", "outside"],
    ["user@example.com", "user@host.example.com", "outside"],
    ["*@example.com", "user@example.com", "outside"],
    ["*@example.com", "*@example.com", "within"],
    ["example.com", "user@Example.com", "within"],
    ["example.com", "user@host.example.com", "outside"],
    [".example.com", "user@host.example.com", "within"],
    [".example.com", "user@example.com", "outside"],
    ["", "user@example.com", "within"],
    ["example.com", '"a@b"@example.com', "within"],
    ["example.com", "a@evil.example@example.com", "unclear"],
    ["example.com", "example.com", "unclear"],
    ["example.com", "@example.com", "unclear"],
    ["example.com", "user@", "unclear"],
    ["example.com", "user@[192.0.2.1]", "unclear"],
  ]);
});

test("ok/uniformResourceIdentifier: its host, or the hosts below a domain", () => {
  holds("uniformResourceIdentifier", [
    ["example.com", "https://example.com", "within"],
    ["example.com", "coaps://user:pass@Example.com:5684/a?b#c", "within"],
    ["example.com", "https://host.example.com/", "outside"],
    [".example.com", "https://host.example.com/", "within"],
    [".example.com", "https://example.com/", "outside"],
    ["example.com", "https://evil.example/@example.com", "outside"],
    ["example.com", "https://example.com@evil.example/", "outside"],
    ["example.com", "https://evil.example?x=//example.com", "outside"],
    ["", "https://evil.example", "within"],
    ["example.com", "https://192.0.2.1/", "unclear"],
    ["example.com", "https://[2001:db8::1]/", "unclear"],
    ["example.com", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "unclear"],
    ["example.com", "//example.com", "unclear"],
    ["example.com", "https:///", "unclear"],
    ["example.com", "", "unclear"],
  ]);
});

test("ok/iPAddress: ranges of either version", () => {
  const range = (address: readonly number[], mask: readonly number[]): Subtree => ({
    kind: "iPAddress",
    address: Uint8Array.from(address),
    mask: Uint8Array.from(mask),
  });
  const name = (...octets: readonly number[]): GeneralName => ({
    kind: "iPAddress",
    address: Uint8Array.from(octets),
  });
  const net = range([192, 0, 2, 0], [255, 255, 255, 0]);
  const all = range([0, 0, 0, 0], [0, 0, 0, 0]);
  const loopback = range([...new Array(15).fill(0), 1], new Array(16).fill(255));
  assert.equal(relation(name(192, 0, 2, 77), net), "within");
  assert.equal(relation(name(192, 0, 3, 77), net), "outside");
  assert.equal(relation(name(203, 0, 113, 9), all), "within");
  assert.equal(relation(name(...new Array(15).fill(0), 1), loopback), "within");
  assert.equal(relation(name(...new Array(15).fill(0), 2), loopback), "outside");
  assert.equal(relation(name(...new Array(15).fill(0), 1), all), "outside");
  assert.equal(relation(name(0, 0, 0, 1), loopback), "outside");
  assert.equal(relation(name(192, 0, 2, 77), range([192, 0, 2, 79], [255, 255, 255, 240])), "within");
});

test("ok/directoryName: a name and all below it", () => {
  const named = (...attributes: readonly (readonly [string, string])[]) => ({
    kind: "directoryName" as const,
    name: parseName(encodeName(attributes.map(([type, value]): NameAttribute => ({ type, value })))),
  });
  const base = named([countryName, "DE"], [organizationName, "Example"]);
  assert.equal(relation(named([countryName, "DE"], [organizationName, "Example"]), base), "within");
  assert.equal(
    relation(named([countryName, "DE"], [organizationName, " EXAMPLE "], [commonName, "a"]), base),
    "within",
  );
  assert.equal(relation(named([countryName, "DE"], [organizationName, "Example 2"]), base), "outside");
  assert.equal(relation(named([organizationName, "Example"], [countryName, "DE"]), base), "outside");
  assert.equal(relation(named([countryName, "DE"]), base), "outside");
  assert.equal(relation(named([commonName, "a"]), named()), "within");
  // An attribute that looks like the end of another one's encoding.
  assert.equal(relation(named([commonName, 'a"],["b']), named([commonName, "a"])), "outside");
});

test("ok/forms that are not defined: refused where a name of the form occurs, else passed over", () => {
  const other = (type: string): GeneralName & Subtree => ({ kind: "otherName", type, value: der.utf8String("a") });
  const registered = { kind: "registeredID", identifier: "1.3.6.1.4.1.32473" } as const;
  assert.equal(relation(other("1.2.3"), other("1.2.3")), "unclear");
  assert.equal(relation(other("1.2.3"), other("1.2.4")), "other form");
  assert.equal(relation(registered, registered), "unclear");
  assert.equal(relation(registered, other("1.2.3")), "other form");
  assert.equal(relation({ kind: "dNSName", text: "a.example" }, other("1.2.3")), "other form");
  assert.equal(relation({ kind: "dNSName", text: "a@b.example" }, { kind: "rfc822Name", text: "" }), "other form");
});

test("ok/several subtrees: within one of the permitted, and within none of the excluded", () => {
  const dns = (text: string) => ({ kind: "dNSName" as const, text });
  const constraints = {
    permittedSubtrees: [dns("example.com"), dns("example.org")],
    excludedSubtrees: [dns("bad.example.com"), dns("worse.example.org")],
  };
  const mailbox = { kind: "rfc822Name", text: "user@example.net" } as const;
  const good = [dns("a.example.org"), mailbox, dns("example.com")];
  assert.equal(forbiddenName(good, constraints), undefined);
  assert.equal(forbiddenName([], constraints), undefined);
  for (const bad of ["a.bad.example.com", "worse.example.org", "example.net"])
    assert.deepEqual(forbiddenName([...good, dns(bad), dns("example.edu")], constraints), dns(bad));
});

test("ok/a dNSName is within exactly when its last labels are those of the subtree", () => {
  const labels = fc.array(fc.constantFrom("a", "b", "A", "ab", "a-b"), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(labels, labels, (name, base) => {
      const tail = name.slice(-base.length).join(".").toLowerCase();
      const expected = tail === base.join(".").toLowerCase() ? "within" : "outside";
      const [text, wanted] = [name.join("."), base.join(".")];
      assert.equal(relation({ kind: "dNSName", text }, { kind: "dNSName", text: wanted }), expected);
    }),
    { seed: 5280, numRuns: 500 },
  );
});

test("ok/what is encoded is read again", () => {
  const constraints = {
    permittedSubtrees: [
      { kind: "dNSName", text: "example.com" },
      { kind: "iPAddress", address: Buffer.of(10, 0, 0, 0), mask: Buffer.of(255, 0, 0, 0) },
    ],
    excludedSubtrees: [{ kind: "uniformResourceIdentifier", text: ".example.com" }],
  } as const;
  const extension = encodeNameConstraints(constraints);
  assert.ok(extension.critical);
  assert.deepEqual(nameConstraintsOf([extension]), constraints);
  assert.equal(nameConstraintsOf([]), undefined);
});

test("fail/nameConstraints that cannot be processed", () => {
  const subtrees = (number: number, ...bases: readonly Uint8Array[]) =>
    der.sequence([der.implicit(number, der.sequence(bases))]);
  const subtree = (base: Uint8Array, ...more: readonly Uint8Array[]) => der.sequence([base, ...more]);
  const dns = (text: string) => der.implicit(2, der.ia5String(text));
  const range = (...octets: readonly number[]) => der.element(contextPrimitive(7), Uint8Array.from(octets));
  const minimum = (value: number) => der.implicit(0, der.integer(value));
  const maximum = der.implicit(1, der.integer(0));
  const malformed = {
    empty: der.sequence([]),
    "no subtree": subtrees(0),
    "no excluded subtree": subtrees(1),
    "null subtrees": der.sequence([der.element(contextPrimitive(0), new Uint8Array())]),
    "in the other order": der.sequence([
      der.implicit(1, der.sequence([subtree(dns("a"))])),
      der.implicit(0, der.sequence([subtree(dns("a"))])),
    ]),
    "a minimum": subtrees(0, subtree(dns("a"), minimum(1))),
    "a maximum": subtrees(0, subtree(dns("a"), maximum)),
    "a wildcard": subtrees(0, subtree(dns("*.example.com"))),
    "a leading period": subtrees(0, subtree(dns(".example.com"))),
    "an address for a name": subtrees(1, subtree(dns("192.0.2.1"))),
    "a mailbox without its user": subtrees(1, subtree(der.implicit(1, der.ia5String("@example.com")))),
    "a URI": subtrees(0, subtree(der.implicit(6, der.ia5String("https://example.com")))),
    "an address without a mask": subtrees(0, subtree(range(192, 0, 2, 1))),
    "no address": subtrees(0, subtree(range())),
    "a mask with a hole": subtrees(0, subtree(range(192, 0, 2, 0, 255, 0, 255, 0))),
    "too many": subtrees(0, ...new Array<Uint8Array>(513).fill(subtree(dns("a")))),
    "something else": utf8("a"),
  };
  for (const [what, value] of Object.entries(malformed))
    assert.throws(() => nameConstraintsOf([constraintsOf(value)]), isMalformed, what);
  assert.ok(nameConstraintsOf([constraintsOf(subtrees(0, subtree(dns("a"), minimum(0))))]));
});

test("fail/damaged nameConstraints are read or refused", () => {
  const { value } = encodeNameConstraints({
    permittedSubtrees: [{ kind: "dNSName", text: "example.com" }],
    excludedSubtrees: [{ kind: "rfc822Name", text: ".example.com" }],
  });
  let refused = 0;
  for (const mutation of mutations(5280, value, 2000)) {
    try {
      nameConstraintsOf([constraintsOf(mutation)]);
    } catch (error) {
      assert.ok(isMalformed(error));
      refused += 1;
    }
  }
  assert.ok(refused > 1000);
});

function constraintsOf(value: Uint8Array): Extension {
  return { type: extensionTypes.nameConstraints, critical: true, value };
}

function isMalformed(error: unknown): boolean {
  assert.ok(error instanceof PkiError, String(error));
  assert.equal(error.code, "malformed-extension");
  return true;
}
