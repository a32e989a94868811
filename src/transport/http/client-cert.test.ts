import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { base64 } from "../../core/bytes.ts";
import { forwardedChain, refuseForwardedChain } from "./client-cert.ts";
import { forwardedSource } from "./forwarded.ts";
import type { Headers } from "./message.ts";
import { Refusal } from "./refusals.ts";

const one = Buffer.from([0x30, 1]);
const two = Buffer.from([0x30, 2, 2]);
const three = Buffer.from([0x30, 3, 3, 3]);
const item = (bytes: Uint8Array) => `:${base64(bytes)}:`;

test("ok/the client's certificate and its issuers, in one field or in several", () => {
  const own = ["Client-Cert", item(one)] as const;
  assert.deepEqual(forwardedChain([]), []);
  assert.deepEqual(forwardedChain([own, ["Host", "a"]]), [one]);
  assert.deepEqual(forwardedChain([own, ["client-cert-chain", `${item(two)},  ${item(three)}`]]), [one, two, three]);
  assert.deepEqual(forwardedChain([own, ["Client-Cert-Chain", item(two)], ["Client-Cert-Chain", item(three)]]), [
    one,
    two,
    three,
  ]);
  assert.deepEqual(forwardedChain([own, ["Client-Cert-Chain", ""]]), [one]);
});

const badChains: Readonly<Record<string, Headers>> = {
  "Client-Cert twice": [
    ["Client-Cert", item(one)],
    ["Client-Cert", item(one)],
  ],
  "two certificates in Client-Cert": [["Client-Cert", `${item(one)}, ${item(two)}`]],
  "a chain without a certificate": [["Client-Cert-Chain", item(one)]],
  "an empty Client-Cert": [["Client-Cert", ""]],
  "an empty byte sequence": [["Client-Cert", "::"]],
  "base64 without colons": [["Client-Cert", base64(one)]],
  base64url: [["Client-Cert", ":MP__:"]],
  "base64 without padding": [["Client-Cert", ":MAE:"]],
  "white space within": [["Client-Cert", ":MA E=:"]],
  "a parameter": [["Client-Cert", `${item(one)};a=1`]],
  "PEM in percent encoding": [["Client-Cert", "-----BEGIN%20CERTIFICATE-----"]],
  "an empty member of the chain": [
    ["Client-Cert", item(one)],
    ["Client-Cert-Chain", `${item(two)},,${item(two)}`],
  ],
  "more issuers than anybody has": [
    ["Client-Cert", item(one)],
    ["Client-Cert-Chain", Array.from({ length: 9 }, () => item(two)).join(", ")],
  ],
};

for (const [name, headers] of Object.entries(badChains)) {
  test(`fail/${name}`, () => {
    assert.throws(() => forwardedChain(headers), { name: "Refusal", code: "client-cert-malformed" });
  });
}

for (const name of ["Client-Cert", "CLIENT-CERT-CHAIN"]) {
  test(`fail/${name} where nobody may send it`, () => {
    assert.throws(
      () =>
        refuseForwardedChain([
          ["Host", "a"],
          [name, ""],
        ]),
      { code: "client-cert-unexpected" },
    );
  });
}

test("ok/other fields are nobody's certificate", () => {
  refuseForwardedChain([
    ["X-Client-Cert", "a"],
    ["Client-Certificate", "a"],
  ]);
});

const forwarded: Readonly<Record<string, readonly [value: string, host: string | undefined, port?: number]>> = {
  IPv4: ["for=192.0.2.7", "192.0.2.7"],
  "IPv4 and a port": ['for="192.0.2.7:41233"', "192.0.2.7", 41233],
  "IPv6 and a port": ['For="[2001:DB8::7]:41233"', "2001:db8::7", 41233],
  "other pairs": ['proto=https;for=192.0.2.7;host="est.example, \\"x\\"";by=_proxy', "192.0.2.7"],
  "the last of several": ["for=198.51.100.1, for=_hidden;by=10.0.0.1 , for=192.0.2.7", "192.0.2.7"],
  "an obfuscated port": ['for="192.0.2.7:_x"', "192.0.2.7"],
  "somebody unknown": ["for=198.51.100.1, for=unknown", undefined],
  "an obfuscated name": ['for="_gazonk:80"', undefined],
  nobody: ["proto=https", undefined],
};

for (const [name, [value, host, port = 0]] of Object.entries(forwarded)) {
  test(`ok/Forwarded: ${name}`, () => {
    assert.deepEqual(forwardedSource([["Forwarded", value]]), host === undefined ? undefined : { host, port });
  });
}

test("ok/no Forwarded, and one in two fields", () => {
  assert.equal(forwardedSource([]), undefined);
  const fields: Headers = [
    ["Forwarded", "for=198.51.100.1"],
    ["forwarded", "for=192.0.2.7"],
  ];
  assert.deepEqual(forwardedSource(fields), { host: "192.0.2.7", port: 0 });
});

for (const value of [
  "",
  ",",
  "for=192.0.2.7,",
  "for=192.0.2.7;",
  "192.0.2.7",
  "for=2001:db8::1",
  'for="192.0.2.7',
  'for="192.0.2.999"',
  'for="[192.0.2.7]"',
  'for="192.0.2.7:65536"',
  'for="est.example"',
  "for=192.0.2.7;for=192.0.2.8",
  "for = 192.0.2.7",
]) {
  test(`fail/Forwarded: ${JSON.stringify(value)}`, () => {
    assert.throws(() => forwardedSource([["Forwarded", value]]), { name: "Refusal", code: "forwarded-malformed" });
  });
}

test("ok/any text is read or refused by code", () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[for=;,:"[\]_.0-9a-f\\ -]*$/));
  fc.assert(
    fc.property(text, (value) => {
      for (const read of [
        () => forwardedSource([["Forwarded", value]]),
        () =>
          forwardedChain([
            ["Client-Cert", value],
            ["Client-Cert-Chain", value],
          ]),
      ])
        try {
          read();
        } catch (error) {
          assert.ok(error instanceof Refusal);
        }
    }),
    { seed: 9, numRuns: 500 },
  );
});
