import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { concat, utf8 } from "../../core/bytes.ts";
import { decodeProxyHeader, longestProxyHeader } from "./proxy-protocol.ts";
import { Refusal } from "./refusals.ts";

const header = (source: { readonly host: string; readonly port: number } | undefined, length: number) => ({
  kind: "header",
  length,
  source,
});

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

const signature = fromHex("0d0a0d0a000d0a515549540a");
/** A version 2 header of this command and family over these bytes. */
const binary = (command: number, family: number, rest: Uint8Array, length = rest.length) =>
  concat([signature, Uint8Array.of(command, family, length >> 8, length & 0xff), rest]);
const fourTuple = fromHex("c0000207c6336401a11120fb");
const sixTuple = fromHex("20010db8000000000000000000000001 20010db8000000000000000000000002 a111 20fb");

const lines: Readonly<Record<string, readonly [line: string, host: string | undefined, port?: number]>> = {
  "TCP over IPv4": ["PROXY TCP4 192.0.2.7 198.51.100.1 41233 8443\r\n", "192.0.2.7", 41233],
  "TCP over IPv6": ["PROXY TCP6 2001:DB8:0:0::1 2001:db8::2 0 65535\r\n", "2001:db8::1", 0],
  "an IPv4 address in IPv6": ["PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", "192.0.2.7", 1],
  UNKNOWN: ["PROXY UNKNOWN\r\n", undefined],
  "UNKNOWN and anything": ["PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", undefined],
};

for (const [name, [line, host, port = 0]] of Object.entries(lines)) {
  test(`ok/version 1: ${name}`, () => {
    const expected = header(host === undefined ? undefined : { host, port }, line.length);
    assert.deepEqual(decodeProxyHeader(utf8(`${line}\x16\x03\x01`)), expected);
    for (let cut = 0; cut < line.length; cut += 1)
      assert.deepEqual(decodeProxyHeader(utf8(line.slice(0, cut))), { kind: "more" });
  });
}

test("ok/version 2: IPv4, IPv6, values behind the addresses, LOCAL and UNSPEC", () => {
  const source = { host: "192.0.2.7", port: 0xa111 };
  assert.deepEqual(decodeProxyHeader(concat([binary(0x21, 0x11, fourTuple), utf8("x")])), header(source, 28));
  const values = fromHex("010002683203000400000000");
  assert.deepEqual(decodeProxyHeader(binary(0x21, 0x11, concat([fourTuple, values]))), header(source, 40));
  assert.deepEqual(decodeProxyHeader(binary(0x21, 0x21, sixTuple)), header({ host: "2001:db8::1", port: 0xa111 }, 52));
  for (const [command, family] of [
    [0x20, 0x00],
    [0x20, 0x11],
    [0x21, 0x00],
  ] as const)
    assert.deepEqual(decodeProxyHeader(binary(command, family, fourTuple)), header(undefined, 28));
  const whole = binary(0x21, 0x11, fourTuple);
  for (let cut = 0; cut < whole.length; cut += 1)
    assert.deepEqual(decodeProxyHeader(whole.subarray(0, cut)), { kind: "more" });
});

const bad: Readonly<Record<string, readonly [bytes: Uint8Array, code: Refusal["code"]]>> = {
  "a TLS record": [fromHex("160301"), "proxy-header-missing"],
  "a request": [utf8("GET / HTTP/1.1\r\n"), "proxy-header-missing"],
  "lower case": [utf8("proxy TCP4 "), "proxy-header-missing"],
  "another protocol": [utf8("PROXY UDP4 192.0.2.7 192.0.2.8 1 2\r\n"), "proxy-header-malformed"],
  "a line without carriage return": [utf8("PROXY TCP4 192.0.2.7 192.0.2.8 1 2\n"), "proxy-header-malformed"],
  "two spaces": [utf8("PROXY TCP4  192.0.2.7 192.0.2.8 1 2\r\n"), "proxy-header-malformed"],
  "an IPv6 address called TCP4": [utf8("PROXY TCP4 ::1 ::1 1 2\r\n"), "proxy-header-malformed"],
  "an IPv4 address called TCP6": [utf8("PROXY TCP6 192.0.2.7 192.0.2.8 1 2\r\n"), "proxy-header-malformed"],
  "an address with leading zeros": [utf8("PROXY TCP4 192.000.2.7 192.0.2.8 1 2\r\n"), "proxy-header-malformed"],
  "a port with a leading zero": [utf8("PROXY TCP4 192.0.2.7 192.0.2.8 01 2\r\n"), "proxy-header-malformed"],
  "a port that is too high": [utf8("PROXY TCP4 192.0.2.7 192.0.2.8 65536 2\r\n"), "proxy-header-malformed"],
  "a line without end": [utf8(`PROXY UNKNOWN ${" ".repeat(93)}`), "proxy-header-malformed"],
  "a line that is too long": [utf8(`PROXY UNKNOWN ${" ".repeat(92)}\r\n`), "proxy-header-malformed"],
  "version 3": [binary(0x31, 0x11, fourTuple), "proxy-header-malformed"],
  "an unknown command": [binary(0x22, 0x11, fourTuple), "proxy-header-malformed"],
  "UDP over IPv4": [binary(0x21, 0x12, fourTuple), "proxy-header-malformed"],
  "a Unix socket": [binary(0x21, 0x31, new Uint8Array(216)), "proxy-header-malformed"],
  "addresses that are cut off": [binary(0x21, 0x11, fourTuple.subarray(1)), "proxy-header-malformed"],
  "a value that is cut off": [binary(0x21, 0x11, concat([fourTuple, fromHex("01000a00")])), "proxy-header-malformed"],
  "half the head of a value": [binary(0x21, 0x11, concat([fourTuple, fromHex("0100")])), "proxy-header-malformed"],
  "a length that nobody waits for": [binary(0x21, 0x11, fourTuple, longestProxyHeader), "proxy-header-malformed"],
};

for (const [name, [bytes, code]] of Object.entries(bad)) {
  test(`fail/${name}`, () => {
    assert.throws(() => decodeProxyHeader(bytes), { name: "Refusal", code });
  });
}

test("ok/any bytes wait for more, are a header within them, or are refused by code", () => {
  const prefix = fc.constantFrom(utf8("PROXY "), utf8("PROXY TCP4 "), signature, new Uint8Array(0));
  fc.assert(
    fc.property(prefix, fc.uint8Array({ maxLength: 1_200 }), (start, rest) => {
      const bytes = concat([start, rest]);
      try {
        const found = decodeProxyHeader(bytes);
        if (found.kind === "header") assert.ok(found.length <= bytes.length && found.length <= longestProxyHeader);
        else assert.ok(bytes.length < longestProxyHeader);
      } catch (error) {
        assert.ok(error instanceof Refusal);
      }
    }),
    { seed: 7 },
  );
});
