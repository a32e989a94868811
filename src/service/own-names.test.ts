import assert from "node:assert/strict";
import { test } from "node:test";
import { ownNames } from "./own-names.ts";

const isOwn = ownNames(["EST.factory.example", "localhost", "127.0.0.1", "fe80::1%eth0", "::1"]);

test("ok/own names in any case, with the dot of the root, and addresses in any form", () => {
  for (const name of [
    "est.factory.example",
    "est.FACTORY.example.",
    "LOCALHOST",
    "127.0.0.1",
    "0:0:0:0:0:0:0:1",
    "fe80::1",
    Uint8Array.of(127, 0, 0, 1),
    Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
  ])
    assert.ok(isOwn(name), String(name));
});

test("ok/what is below or above an own name, or looks like one, is not", () => {
  for (const name of ["factory.example", "a.localhost", "localhost1", "7f000001", "", Uint8Array.of(127, 0, 0, 2)])
    assert.ok(!isOwn(name), String(name));
});
