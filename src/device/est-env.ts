import { systemClock } from "../core/clock.ts";
import { systemRandomness } from "../core/randomness.ts";
import type { EstDeviceEnv } from "../protocols/est/index.ts";
import type { Dial } from "../protocols/ports.ts";
import { dialHttps } from "../transport/http/client.ts";
import type { HttpRequest, HttpResponse } from "../transport/http/message.ts";
import { estStorage } from "./est-storage.ts";
import { newDeviceKey, privateKeyOf } from "./keys.ts";

/** An EST device's environment on Node: HTTPS, the system's clock and randomness, and files under `directory`. */
export function nodeEstEnv(
  options: { readonly directory: string } & Pick<EstDeviceEnv, "ledger" | "waiting" | "signal">,
): EstDeviceEnv {
  const { directory, ...rest } = options;
  return {
    dial: dialAnchored,
    clock: systemClock,
    randomness: systemRandomness,
    keys: { generate: async (kind) => newDeviceKey(kind) },
    storage: estStorage(directory),
    ...rest,
  };
}

/** Opens TLS to a server that explicit anchors vouch for, with the device's certificate when there is one. */
export const dialAnchored: Dial<HttpRequest, HttpResponse> = ({ host, port, anchors, identity }, signal) =>
  dialHttps({
    url: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    trust: { kind: "anchors", anchors },
    ...(identity === undefined ? {} : { credential: { chain: identity.chain, key: privateKeyOf(identity.key) } }),
    ...(signal === undefined ? {} : { signal }),
  });
