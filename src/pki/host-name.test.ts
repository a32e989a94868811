import assert from "node:assert/strict";
import { test } from "node:test";
import { hex, utf8 } from "../core/bytes.ts";
import { PkiError } from "./errors.ts";
import type { GeneralName } from "./general-name.ts";
import { addressOf, isHostName, matchesHostName } from "./host-name.ts";
import { extensionTypes } from "./oids.ts";
import { endEntity, party } from "./path.test-support.ts";
import { encodeSubjectAltName } from "./standard-extensions.ts";

const authority = party("Authority");
const server = party("server.example.com");

const named = (...names: readonly GeneralName[]) =>
  endEntity(authority, server, { extensions: [encodeSubjectAltName(names)] });
const dns = (text: string): GeneralName => ({ kind: "dNSName", text });
const ip = (text: string): GeneralName => ({ kind: "iPAddress", address: addressOf(text) ?? new Uint8Array() });

test("ok/a dNSName, whatever its case, among others", async () => {
  const certificate = await named(dns("other.example"), ip("192.0.2.1"), dns("Host.Example.com"));
  for (const host of ["host.example.com", "HOST.example.COM", "host.example.com."])
    assert.ok(matchesHostName(certificate, host), host);
  for (const host of ["example.com", "a.host.example.com", "xhost.example.com", "host.example.com..", "", "."])
    assert.ok(!matchesHostName(certificate, host), host);
});

test("ok/a wildcard is the whole left-most label and stands for one", async () => {
  const certificate = await named(dns("*.Example.com"));
  assert.ok(matchesHostName(certificate, "host.example.com"));
  assert.ok(matchesHostName(certificate, "xn--bcher-kva.example.com"));
  for (const host of ["example.com", ".example.com", "a.b.example.com", "host.example.org", "*.example.com"])
    assert.ok(!matchesHostName(certificate, host), host);
  for (const pattern of ["h*.example.com", "*", "*.", "*.*.com", "host.*.com", "**.example.com", "*example.com"])
    assert.ok(!matchesHostName(await named(dns(pattern)), "host.example.com"), pattern);
});

test("ok/an address is held against iPAddress, by its octets", async () => {
  const certificate = await named(ip("192.0.2.1"), ip("2001:db8::1"));
  for (const host of ["192.0.2.1", "2001:db8::1", "2001:DB8:0:0:0:0:0:1", "2001:db8::0.0.0.1"])
    assert.ok(matchesHostName(certificate, host), host);
  for (const host of ["192.0.2.2", "192.0.2.01", "::ffff:192.0.2.1", "fe80::1%eth0"])
    assert.ok(!matchesHostName(certificate, host), host);
  assert.ok(!matchesHostName(await named(dns("192.0.2.1")), "192.0.2.1"));
  assert.ok(!matchesHostName(await named(dns("*.0.2.1")), "192.0.2.1"));
});

test("fail/the common name never counts", async () => {
  assert.ok(!matchesHostName(await endEntity(authority, server), "server.example.com"));
  assert.ok(!matchesHostName(await named(ip("192.0.2.1")), "server.example.com"));
});

test("fail/a malformed subjectAltName", async () => {
  const malformed = { type: extensionTypes.subjectAltName, critical: false, value: utf8("server.example.com") };
  const certificate = await endEntity(authority, server, { extensions: [malformed] });
  assert.throws(
    () => matchesHostName(certificate, "server.example.com"),
    (error) => error instanceof PkiError && error.code === "malformed-extension",
  );
});

test("ok/names of hosts", () => {
  const label = "a".repeat(63);
  for (const name of ["a", "localhost", "a.b", "1.example", "_coap._udp.example", "a-b.example", `${label}.example`])
    assert.ok(isHostName(name), name);
  const tooLong = `${Array.from({ length: 4 }, () => label).join(".")}.a`;
  for (const name of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    `${label}a`,
    tooLong,
    "a b",
    "bücher.example",
    "1.2.3.4",
  ])
    assert.ok(!isHostName(name), name);
});

test("ok/addresses in text", () => {
  const octets = {
    "0.0.0.0": "00000000",
    "255.1.20.3": "ff011403",
    "::": "0".repeat(32),
    "::1": "1".padStart(32, "0"),
    "1::": `0001${"0".repeat(28)}`,
    "2001:db8:1:2:3:4:5:6": "20010db8000100020003000400050006",
    "2001:db8::5:6": "20010db8000000000000000000050006",
    "::ffff:192.0.2.1": "00000000000000000000ffffc0000201",
    "1:2:3:4:5:6:192.0.2.1": "000100020003000400050006c0000201",
    "1:2:3:4:5:6:7::": "00010002000300040005000600070000",
  };
  for (const [text, expected] of Object.entries(octets)) assert.equal(hex(addressOf(text) ?? utf8("none")), expected);
});

test("fail/text that is no address", () => {
  const texts = [
    "",
    ":",
    ":::",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.1.1.1",
    "01.2.3.4",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
  ];
  const more = [
    "1::2::3",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3",
    "::1.2.3.4:5",
  ];
  for (const text of [...texts, ...more, "[::1]", "::1%0", "host.example", ":1:2:3:4:5:6:7"])
    assert.equal(addressOf(text), undefined, text);
});
