// npm run fuzz transport [--seed N] [--count N]: damaged words of proxies about the devices behind them.
import assert from "node:assert/strict";
import { base64, concat, utf8 } from "../../src/core/bytes.ts";
import { forwardedChain } from "../../src/transport/http/client-cert.ts";
import { forwardedSource } from "../../src/transport/http/forwarded.ts";
import { decodeProxyHeader, longestProxyHeader } from "../../src/transport/http/proxy-protocol.ts";
import { Refusal } from "../../src/transport/http/refusals.ts";
import { fuzzAsTold } from "./harness/main.ts";
import { readsOrRefuses, targetsOf } from "./harness/target.ts";

const binary = (hex: string) => Uint8Array.from(Buffer.from(`0d0a0d0a000d0a515549540a${hex}`, "hex"));
const certificate = `:${base64(new Uint8Array(300).fill(0x30))}:`;

await fuzzAsTold([
  ...targetsOf(
    "PROXY header",
    {
      "version 1": utf8("PROXY TCP6 2001:db8::7 2001:db8::1 41233 8443\r\n"),
      "version 2": binary("2111000cc00002077f000001a11120fb"),
      "version 2 over IPv6": concat([binary("2121002a"), new Uint8Array(36).fill(0x20), utf8("\u0001\0\u0003abc")]),
    },
    (input) =>
      readsOrRefuses([Refusal], () => {
        const header = decodeProxyHeader(input);
        if (header.kind === "header") assert.ok(header.length <= Math.min(input.length, longestProxyHeader));
        else assert.ok(input.length < longestProxyHeader, "nobody waits for more than that");
      }),
  ),
  ...targetsOf(
    "Forwarded",
    { "two elements": utf8('for=192.0.2.7, for="[2001:db8::7]:41233";proto=https;by=_a') },
    (input) =>
      readsOrRefuses([Refusal], () => {
        const source = forwardedSource([["Forwarded", Buffer.from(input).toString("latin1")]]);
        assert.ok(source === undefined || (source.port >= 0 && source.port <= 0xffff));
      }),
  ),
  ...targetsOf("Client-Cert", { "with a chain": utf8(`${certificate}\n${certificate}, ${certificate}`) }, (input) =>
    readsOrRefuses([Refusal], () => {
      const [own = "", ...chain] = Buffer.from(input).toString("latin1").split("\n");
      const found = forwardedChain([
        ["Client-Cert", own],
        ["Client-Cert-Chain", chain.join(",")],
      ]);
      assert.ok(found.length <= 9 && found.every(({ length }) => length > 0));
    }),
  ),
]);
