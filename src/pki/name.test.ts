import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mutations } from "../../test/mutate.ts";
import { fromHex, hex } from "../core/bytes.ts";
import * as der from "../encoding/der-writer.ts";
import { tags } from "../encoding/tags.ts";
import { PkiError } from "./errors.ts";
import {
  attribute,
  encodeName,
  equalNames,
  formatName,
  isEmptyName,
  isNameWithin,
  mayBeWithin,
  type Name,
  parseName,
} from "./name.ts";
import { attributeTypes } from "./oids.ts";

const { commonName, countryName, organizationName, serialNumber, domainComponent } = attributeTypes;

function nameOf(...rdns: readonly (readonly (readonly [type: string, value: Uint8Array])[])[]): Uint8Array {
  return der.sequence(
    rdns.map((rdn) => der.setOf(rdn.map(([type, value]) => der.sequence([der.objectIdentifier(type), value])))),
  );
}

const idevid = encodeName([
  { type: countryName, value: "DE" },
  { type: organizationName, value: "Größe, Inc." },
  { type: serialNumber, value: "PID:Model-1 SN:42" },
]);

test("ok/a name is parsed, read and formatted", () => {
  const name = parseName(idevid);
  assert.equal(hex(name.raw), hex(idevid));
  assert.equal(attribute(name, serialNumber), "PID:Model-1 SN:42");
  assert.equal(attribute(name, commonName), undefined);
  assert.equal(formatName(name), "serialNumber=PID:Model-1 SN:42,O=Größe\\, Inc.,C=DE");
  assert.equal(isEmptyName(name), false);
  assert.equal(isEmptyName(parseName(encodeName([]))), true);
  assert.equal(formatName(parseName(encodeName([]))), "");
});

test("ok/string types follow the attribute", () => {
  const encoded = encodeName([
    { type: countryName, value: "DE" },
    { type: domainComponent, value: "example" },
    { type: commonName, value: "a" },
  ]);
  assert.deepEqual(
    parseName(encoded).relativeDistinguishedNames.map(([only]) => only?.value.tag),
    [tags.printableString, tags.ia5String, tags.utf8String],
  );
});

test("ok/RFC 4514 section 4 examples", () => {
  const text = (type: string, value: string) => [type, der.utf8String(value)] as const;
  const cases = [
    [
      nameOf(
        [text(domainComponent, "net")],
        [text(domainComponent, "example")],
        [text(attributeTypes.userId, "jsmith")],
      ),
      "UID=jsmith,DC=example,DC=net",
    ],
    [
      nameOf(
        [text(domainComponent, "net")],
        [text(commonName, "J.  Smith"), text(attributeTypes.organizationalUnitName, "Sales")],
      ),
      "OU=Sales+CN=J.  Smith,DC=net",
    ],
    [nameOf([text(commonName, 'James "Jim" Smith, III')]), 'CN=James \\"Jim\\" Smith\\, III'],
    [nameOf([text(commonName, "Before\rAfter")]), "CN=Before\\0dAfter"],
    [nameOf([["1.3.6.1.4.1.1466.0", der.octetString(Uint8Array.of(0x48, 0x69))]]), "1.3.6.1.4.1.1466.0=#04024869"],
    [nameOf([text(commonName, "Lučić")]), "CN=Lučić"],
    [nameOf([text(commonName, "# a ")]), "CN=\\# a\\ "],
    [nameOf([text(commonName, " ")]), "CN=\\ "],
    [nameOf([text(commonName, "\u0085")]), "CN=\\c2\\85"],
  ] as const;
  for (const [bytes, expected] of cases) assert.equal(formatName(parseName(bytes)), expected);
});

test("ok/an attribute that occurs twice is none", () => {
  const name = parseName(
    encodeName([
      { type: serialNumber, value: "1" },
      { type: serialNumber, value: "2" },
    ]),
  );
  assert.equal(attribute(name, serialNumber), undefined);
});

test("ok/names are compared by RFC 5280 7.1", () => {
  const cn = (value: Uint8Array) => parseName(nameOf([[commonName, value]]));
  assert.ok(equalNames(cn(der.utf8String("Example  Root")), cn(der.printableString(" example ROOT "))));
  assert.ok(!equalNames(cn(der.utf8String("Example Root")), cn(der.utf8String("ExampleRoot"))));
  assert.ok(!equalNames(cn(der.ia5String("a")), cn(der.ia5String("A"))));
  const organization = parseName(nameOf([[organizationName, der.utf8String("a")]]));
  assert.ok(!equalNames(cn(der.utf8String("a")), organization));
  const two = parseName(
    nameOf([
      [commonName, der.utf8String("a")],
      [organizationName, der.utf8String("b")],
    ]),
  );
  const apart = parseName(nameOf([[commonName, der.utf8String("a")]], [[organizationName, der.utf8String("b")]]));
  assert.ok(!equalNames(two, apart));
});

test("ok/domain components are compared without regard to case (RFC 5280 7.3)", () => {
  const of = (value: string) => parseName(encodeName([{ type: domainComponent, value }]));
  assert.ok(equalNames(of("Example"), of("EXAMPLE")));
  assert.ok(!equalNames(of("example"), of("example2")));
});

test("ok/a name is within itself, and within what it begins with", () => {
  const of = (...values: readonly string[]) =>
    parseName(encodeName(values.map((value) => ({ type: commonName, value }))));
  assert.ok(isNameWithin(of("a", "b"), of("A", "b")));
  assert.ok(isNameWithin(of("a", "b"), of("a")));
  assert.ok(isNameWithin(of("a", "b"), of()));
  assert.ok(isNameWithin(of(), of()));
  for (const base of [of("b"), of("a", "b", "c"), of("a", "bc"), of("aa")])
    assert.ok(!isNameWithin(of("a", "b"), base), formatName(base));
  assert.ok(!isNameWithin(of("ab"), of("a")));
});

test("ok/a name may be within a base in another string type, case, or with what nobody sees", () => {
  const cn = (value: Uint8Array) => parseName(nameOf([[commonName, value]]));
  const text = (value: string) => cn(der.utf8String(value));
  const base = text("Straße 7");
  const utf16 = (value: string) => Buffer.from(value, "utf16le").swap16();
  const utf32 = (value: string) =>
    Buffer.concat(Array.from(value, (one) => Buffer.concat([Buffer.of(0, 0), utf16(one)])));
  for (const within of [
    cn(der.element(tags.bmpString, utf16("STRASSE 7"))),
    cn(der.element(tags.universalString, utf32("Straße 7"))),
    cn(der.element(tags.teletexString, Buffer.from("straße 7", "latin1"))),
    cn(der.ia5String(" Strasse  7")),
    cn(der.element(tags.visibleString, Buffer.from("strasse 7"))),
    text("Stra\u00adße 7"),
    text("Straße\u200b 7\ufeff"),
    text("Stra\u034fße \u20607"),
    text("Stra\0ẞe\u0085\u00a07"),
    // GeneralString, OCTET STRING, and a UTF8String in pieces: what they hold is not known here.
    cn(der.element(27, Buffer.from("x"))),
    cn(der.octetString(Buffer.from("x"))),
    cn(der.element(tags.utf8String | 0x20, der.utf8String("x"))),
  ]) {
    assert.ok(mayBeWithin(within, base), formatName(within));
    assert.ok(!isNameWithin(within, base), formatName(within));
  }
  for (const outside of [
    text("Straße7"),
    text("Straße 8"),
    parseName(nameOf([[organizationName, der.utf8String("Straße 7")]])),
  ])
    assert.ok(!mayBeWithin(outside, base), formatName(outside));
  assert.ok(mayBeWithin(text("ΟΔΟΣ"), text("οδοσ")) && mayBeWithin(text("οδος"), text("οδοσ")));
  assert.ok(!equalNames(text("a\ufeffb"), text("a b")));
});

test("ok/what is within a name may be within it", () => {
  const text = fc.string({
    unit: fc.constantFrom("a", "A", "ß", "ẞ", "Σ", "ς", "İ", " ", "\t", "\x85", "\ufeff", "\u200b", "¨"),
  });
  const values = fc.array(text, { maxLength: 2 });
  const nameWith = (list: readonly string[]) =>
    parseName(encodeName(list.map((value) => ({ type: commonName, value }))));
  fc.assert(
    fc.property(values, values, (a, b) => {
      const [name, base] = [nameWith(a), nameWith(b)];
      assert.ok(!isNameWithin(name, base) || mayBeWithin(name, base));
    }),
    { seed: 4518, numRuns: 2000 },
  );
});

test("ok/values of more than 256 characters are compared by their bytes alone, and may be within anything", () => {
  const text = (...values: readonly string[]) =>
    parseName(encodeName(values.map((value) => ({ type: commonName, value }))));
  const [upper, lower] = [`A${"\u00e9".repeat(255)}`, `a${"\u00e9".repeat(255)}`];
  assert.ok(equalNames(text(upper), text(lower)) && isNameWithin(text(upper, "b"), text(lower)));
  const [longer, other] = [text(`${upper}c`), text(`${lower}c`)];
  assert.ok(!equalNames(longer, other) && !isNameWithin(longer, other));
  assert.ok(equalNames(longer, parseName(Uint8Array.from(longer.raw))) && isNameWithin(text(`${upper}c`, "b"), longer));
  for (const base of [other, text("x")]) assert.ok(mayBeWithin(longer, base) && mayBeWithin(base, longer));
  assert.ok(!mayBeWithin(longer, parseName(encodeName([{ type: organizationName, value: "x" }]))));
});

test("ok/combining marks by the thousand are not sorted", (context) => {
  const normalize = context.mock.method(String.prototype, "normalize");
  const marks = "\u0300".repeat(15_000) + "\u0316".repeat(15_000);
  const [name, base] = [`a${marks}`, `A${marks}`].map((value) =>
    parseName(encodeName([{ type: organizationName, value }])),
  ) as [Name, Name];
  assert.ok(!equalNames(name, base) && !isNameWithin(name, base) && mayBeWithin(name, base));
  // Nor the shorter ones that fit into one name, as long as it cannot be equal anyway.
  const many = Array.from({ length: 32 }, () => ({ type: organizationName, value: marks.slice(14_900, 15_100) }));
  assert.ok(!equalNames(parseName(encodeName(many)), parseName(encodeName(many.slice(1)))));
  assert.equal(normalize.mock.callCount(), 0);
});

test("ok/the order of the attributes within one RDN does not matter", () => {
  const cn = der.sequence([der.objectIdentifier(commonName), der.utf8String("a")]);
  const o = der.sequence([der.objectIdentifier(organizationName), der.utf8String("b")]);
  const inOrder = der.sequence([der.element(tags.set, Buffer.concat([cn, o]))]);
  const reversed = der.sequence([der.element(tags.set, Buffer.concat([o, cn]))]);
  assert.ok(equalNames(parseName(inOrder), parseName(reversed)));
});

test("ok/text cannot imitate the structure of another name", () => {
  const one = parseName(encodeName([{ type: commonName, value: `a","${organizationName}=b` }]));
  const two = parseName(
    encodeName([
      { type: commonName, value: "a" },
      { type: organizationName, value: "b" },
    ]),
  );
  assert.ok(!equalNames(one, two));
});

test("ok/what is encoded is read back", () => {
  const value = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(fc.array(value, { maxLength: 8 }), (values) => {
      const name = parseName(encodeName(values.map((text) => ({ type: commonName, value: text }))));
      assert.deepEqual(
        name.relativeDistinguishedNames.map(([only]) => only?.text),
        values,
      );
      assert.ok(equalNames(name, parseName(name.raw)));
    }),
    { seed: 9, numRuns: 300 },
  );
});

test("fail/malformed names", () => {
  const cases = [
    "",
    "05 00",
    "3002 3000",
    "3004 3102 3000",
    "30 0b 3109 3007 0603550403 0c00 00",
    "300b3109300706035504030cff",
  ];
  for (const text of cases)
    assert.throws(
      () => parseName(fromHex(text.replaceAll(" ", "")) ?? new Uint8Array()),
      { code: "malformed-name" },
      text,
    );
  const invalidUtf8 = nameOf([[commonName, der.element(0x0c, Uint8Array.of(0xff))]]);
  assert.throws(() => parseName(invalidUtf8), { code: "malformed-name" });
  const many = Array.from({ length: 33 }, () => ({ type: commonName, value: "a" }));
  assert.throws(() => parseName(encodeName(many)), { code: "malformed-name" });
});

test("fail/names without an encoding", () => {
  assert.throws(() => encodeName([{ type: countryName, value: "Ä" }]), { code: "unencodable" });
  assert.throws(() => encodeName([{ type: domainComponent, value: "ä" }]), { code: "unencodable" });
  assert.throws(() => encodeName([{ type: "CN", value: "a" }]), { code: "unencodable" });
});

test("ok/damaged names are answered with a PkiError or a name that formats", () => {
  for (const mutation of mutations(10, idevid, 2000)) {
    try {
      const name = parseName(mutation);
      assert.doesNotMatch(formatName(name), /\p{Cc}/u);
      assert.ok(name.normalised.length > 0);
    } catch (error) {
      assert.ok(error instanceof PkiError, String(error));
    }
  }
});
