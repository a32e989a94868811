import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, messageOf } from "../core/errors.ts";
import { type EstUrl, parseEstUrl } from "./est-url.ts";

const good: readonly (readonly [text: string, url: EstUrl])[] = [
  ["https://est.example", { host: "est.example", port: 443 }],
  ["https://est.example:8443/", { host: "est.example", port: 8443 }],
  ["https://EST.example:8443/line-3", { host: "est.example", port: 8443, label: "line-3" }],
  ["https://127.0.0.1:8443/line-3/", { host: "127.0.0.1", port: 8443, label: "line-3" }],
  ["https://[2001:db8::1]:8443", { host: "2001:db8::1", port: 8443 }],
  ["https://est.example/.well-known/est", { host: "est.example", port: 443 }],
  ["https://est.example/.well-known/est/line-3", { host: "est.example", port: 443, label: "line-3" }],
];

for (const [text, url] of good) {
  test(`ok/${text}`, () => {
    assert.deepEqual(parseEstUrl(text), url);
  });
}

const bad = [
  "est.example:8443",
  "",
  "http://est.example",
  "coaps://est.example",
  "https://user:secret@est.example",
  "https://est.example?label=x",
  "https://est.example/#x",
  "https://est.example/a/b",
  "https://est.example/simpleenroll",
  "https://est.example/.well-known/est/cacerts",
  "https://est.example/a%2Fb",
  "https://est.example:99999",
  `https://est.example/${"a".repeat(65)}`,
];

for (const text of bad) {
  test(`fail/${text.slice(0, 60)}`, () => {
    assert.throws(
      () => parseEstUrl(text),
      (error) => codeOf(error) === "usage" && !messageOf(error).includes("secret"),
    );
  });
}
