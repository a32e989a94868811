import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EstRefused } from "./errors.ts";
import {
  basicChallenge,
  type DigestChallenge,
  decodeAuthorization,
  decodeChallenges,
  digestChallenge,
  encodeBasic,
  encodeDigest,
} from "./http-authorization.ts";
import { digestSecret, verifyDigestResponse } from "./keys-digest.ts";

const request = { method: "POST", path: "/.well-known/est/simpleenroll" };
const credentials = { user: 'li"ne\\3', password: "correct horse" };
const challenge: DigestChallenge = { kind: "digest", realm: "est", nonce: "n0nce", algorithm: "SHA-256", stale: false };
const wellFormed = encodeDigest(credentials, challenge, request, 17, "cn0nce");

const refused = (code: string) => (error: unknown) => error instanceof EstRefused && error.code === code;

test("ok/basic: user and password, which may hold colons", () => {
  assert.deepEqual(decodeAuthorization(encodeBasic({ user: "ann", password: "a:b" }), request), {
    kind: "basic",
    user: "ann",
    password: "a:b",
  });
  assert.equal(decodeAuthorization(undefined, request), undefined);
});

for (const algorithm of ["SHA-256", "MD5"] as const)
  test(`ok/digest: what this side encodes with ${algorithm} is what the other reads and verifies`, () => {
    const value = encodeDigest(credentials, { ...challenge, algorithm }, request, 17, "cn0nce");
    const read = decodeAuthorization(value, request);
    assert.ok(read?.kind === "digest");
    assert.deepEqual(
      [read.user, read.algorithm, read.nc, read.cnonce],
      [credentials.user, algorithm, "00000011", "cn0nce"],
    );
    const secret = digestSecret(algorithm, credentials.user, "est", credentials.password);
    assert.ok(verifyDigestResponse(secret, read, read.response));
  });

test("ok/digest: tokens in quotes, other cases, white space, other parameters, as clients write them", () => {
  const written = wellFormed
    .replace("Digest ", "digest  ")
    .replace("qop=auth", 'QOP = "auth"')
    .replace("algorithm=SHA-256", 'algorithm="sha-256"')
    .replace(", nc=", " ,,\tnc=");
  const read = decodeAuthorization(`${written}, auth-param="x, y=z"`, request);
  assert.equal(read?.kind === "digest" && read.algorithm, "SHA-256");
});

const malformed: Readonly<Record<string, string>> = {
  "another scheme": "Bearer abcd",
  "no scheme": "abcd",
  "two schemes": `${wellFormed}, Basic YTpi`,
  "a parameter twice": `${wellFormed}, nonce="n0nce"`,
  "a parameter twice in another case": `${wellFormed}, NC=00000011`,
  "a user name without quotes": wellFormed.replace(/username="[^,]*"/, "username=line"),
  "a response without quotes": wellFormed.replace(/response="(\w+)"/, "response=$1"),
  "a nonce without quotes": wellFormed.replace('nonce="n0nce"', "nonce=n0nce"),
  "an open quote": wellFormed.replace(/"$/, ""),
  "no user name": wellFormed.replace(/username="[^,]*", /, ""),
  "an empty user name": wellFormed.replace(/username="[^,]*"/, 'username=""'),
  "an encoded user name": wellFormed.replace(/username="[^,]*"/, "username*=UTF-8''line"),
  "a hashed user name": `${wellFormed}, userhash=true`,
  "no realm": wellFormed.replace('realm="est", ', ""),
  "no cnonce": wellFormed.replace('cnonce="cn0nce", ', ""),
  "no qop, as in RFC 2069": wellFormed.replace("qop=auth, ", ""),
  "the qop auth-int": wellFormed.replace("qop=auth", "qop=auth-int"),
  "an unknown algorithm": wellFormed.replace("algorithm=SHA-256", "algorithm=SHA-512-256"),
  "a session algorithm": wellFormed.replace("algorithm=SHA-256", "algorithm=SHA-256-sess"),
  "no nc": wellFormed.replace("nc=00000011, ", ""),
  "an nc of zero": wellFormed.replace("nc=00000011", "nc=00000000"),
  "an nc of seven digits": wellFormed.replace("nc=00000011", "nc=0000011"),
  "an nc that is no number": wellFormed.replace("nc=00000011", "nc=0000001g"),
  "no parameters": "Digest",
  "a token in place of parameters": "Digest abcd==",
  "giant credentials": `${wellFormed}, x="${"a".repeat(2048)}"`,
};

for (const [name, value] of Object.entries(malformed))
  test(`fail/digest: ${name}`, () => {
    assert.notEqual(value, wellFormed);
    assert.throws(() => decodeAuthorization(value, request), refused("credentials-malformed"));
  });

for (const [name, value] of [
  ["another realm", wellFormed.replace('realm="est"', 'realm="EST"')],
  ["another uri", wellFormed.replace("/simpleenroll", "/simplereenroll")],
] as const)
  test(`fail/digest: ${name}`, () => {
    assert.throws(() => decodeAuthorization(value, request), refused("credentials-wrong"));
  });

test("ok/challenges: one field each, or all in one", () => {
  const values = [digestChallenge("SHA-256", "n0nce", true), digestChallenge("MD5", "n1", false), basicChallenge];
  const expected = [
    { ...challenge, stale: true },
    { ...challenge, algorithm: "MD5", nonce: "n1" },
    { kind: "basic", realm: "est" },
  ];
  assert.deepEqual(decodeChallenges(values), { challenges: expected, schemes: ["Digest", "Digest", "Basic"] });
  assert.deepEqual(decodeChallenges([values.join(", ")]).challenges, expected);
});

test("ok/challenges: of other servers", () => {
  // libest 3.2, RFC 7616 3.9.1, and a token in place of parameters.
  const libest = 'Digest qop="auth", realm="estrealm", nonce="1a2b", algorithm="MD5"';
  const rfc =
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf", opaque="FQh"';
  const { challenges, schemes } = decodeChallenges([libest, `Negotiate YWJj==, ${rfc}, Bearer`]);
  assert.deepEqual(challenges, [
    { ...challenge, realm: "estrealm", nonce: "1a2b", algorithm: "MD5" },
    { ...challenge, realm: "http-auth@example.org", nonce: "7ypf", opaque: "FQh" },
  ]);
  assert.deepEqual(schemes, ["Digest", "Negotiate", "Digest", "Bearer"]);
});

for (const [name, value] of [
  ["a Digest without qop", 'Digest realm="est", nonce="n"'],
  ["a Digest with auth-int alone", 'Digest realm="est", nonce="n", qop="auth-int"'],
  ["a Digest of an unknown algorithm", 'Digest realm="est", nonce="n", qop="auth", algorithm=SHA-512-256'],
  ["a Digest without a nonce", 'Digest realm="est", qop="auth"'],
  ["a parameter twice", 'Digest realm="est", realm="other", nonce="n", qop="auth"'],
  ["Basic without a realm", "Basic"],
  ["what is no challenge", '"=,'],
] as const)
  test(`fail/challenges: ${name} is none`, () => assert.deepEqual(decodeChallenges([value]).challenges, []));

test("ok/any user and password come out of Basic and Digest as they went in", () => {
  const text = fc
    .string({ unit: "binary-ascii", minLength: 1, maxLength: 40 })
    .map((each) => each.replace(/[^ -~]/g, "x"));
  fc.assert(
    fc.property(text, text, (user, password) => {
      const name = user.replaceAll(":", ".");
      assert.deepEqual(decodeAuthorization(encodeBasic({ user: name, password }), request), {
        kind: "basic",
        user: name,
        password,
      });
      const read = decodeAuthorization(encodeDigest({ user, password }, challenge, request, 1, "c"), request);
      assert.ok(read?.kind === "digest");
      assert.equal(read.user, user);
      assert.ok(verifyDigestResponse(digestSecret("SHA-256", user, "est", password), read, read.response));
    }),
    { seed: 7616, numRuns: 300 },
  );
});

test("fail/any text is refused with its own code, and soon", () => {
  const parts = fc.constantFrom("Digest ", "Basic ", 'realm="', '"', "\\", "=", ", ", "nonce=", "a", "auth", "\t");
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 400 }), (chosen) => {
      const value = chosen.join("");
      decodeChallenges([value]);
      try {
        decodeAuthorization(value, request);
      } catch (error) {
        assert.ok(error instanceof EstRefused);
      }
    }),
    { seed: 7235, numRuns: 500 },
  );
});
