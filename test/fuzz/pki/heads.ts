import assert from "node:assert/strict";
import { utf8, view } from "../../../src/core/bytes.ts";
import { addressOf } from "../../../src/pki/host-name.ts";
import { addressOctets } from "../../../src/transport/address.ts";
import { fieldsOf, originForm, refusalOfHead } from "../../../src/transport/http/head.ts";
import type { Target } from "../harness/target.ts";

/** What the transport reads by itself: heads of requests after Node's parser, targets, and addresses. */
export function headTargets(): readonly Target[] {
  const fields =
    "Host: est.example\r\nContent-Type: application/pkcs10\r\nContent-Length: 5\r\nAuthorization: Basic YTpi\r\n";
  const addresses = ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"].join("\n");
  return [
    { name: "HTTP fields", sample: utf8(`${fields}Transfer-Encoding: gzip\r\n`), weight: 10, answer: isRefused },
    { name: "HTTP fields, good", sample: utf8(fields), weight: 10, answer: (input) => !isRefused(input) },
    { name: "HTTP target", sample: utf8("https://est.example:8443/.well-known/est?a#b"), weight: 10, answer: isTarget },
    { name: "IP addresses", sample: utf8(addresses), weight: 10, answer: areAddresses },
  ];
}

function isRefused(input: Uint8Array): boolean {
  const lines = view(input).toString("latin1").split("\r\n");
  const rawHeaders = lines.flatMap((line) =>
    line.includes(":") ? [line.split(":", 1)[0] ?? "", line.replace(/^[^:]*:\s*/, "")] : [],
  );
  const values = (name: string) => fieldsOf({ rawHeaders }).filter(([each]) => each.toLowerCase() === name);
  const [, coding] = values("transfer-encoding")[0] ?? [];
  const headers = coding === undefined ? {} : { "transfer-encoding": coding };
  const refusal = refusalOfHead({ httpVersion: "1.1", headers, rawHeaders }, 64);
  if (refusal !== undefined) return true;
  assert.equal(values("host").length, 1);
  for (const name of ["authorization", "content-length", "content-type", "transfer-encoding"])
    assert.ok(values(name).length < 2, `${name} is there twice, and two readers could differ`);
  return false;
}

function isTarget(input: Uint8Array): boolean {
  const target = view(input).toString("latin1");
  const origin = originForm(target);
  assert.ok(origin === target || origin.startsWith("/"), "a target became something else than a path");
  return origin.startsWith("/");
}

function areAddresses(input: Uint8Array): boolean {
  const lines = view(input).toString("latin1").split("\n");
  const found = lines.map((text) => addressOctets(text));
  for (const octets of found) assert.ok(octets === undefined || octets.length === 4 || octets.length === 16);
  // Two readers of one form, of which only the transport's takes a zone.
  for (const text of lines.filter((line) => !line.includes("%")))
    assert.deepEqual(addressOf(text), addressOctets(text));
  return found.every((octets) => octets !== undefined);
}
