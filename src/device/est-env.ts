import { systemClock } from "../core/clock.ts";
import { systemRandomness } from "../core/randomness.ts";
import { generateKeyAside } from "../crypto/keys.ts";
import { decryptEnvelopedData } from "../pki/cms-enveloped-data.ts";
import { isForRegistrationAuthority } from "../pki/registration-authority.ts";
import type { EstDeviceEnv } from "../protocols/est/index.ts";
import { type ClientTimeouts, dialHttps } from "../transport/http/client.ts";
import { estStorage } from "./est-storage.ts";
import { foreignKey } from "./identity.ts";
import { deviceKey, privateKeyOf } from "./keys.ts";

/**
 * An EST device's environment on Node: HTTPS, the system's clock and randomness, and files under `directory`. `timeouts` are
 * the longest times of one exchange, in milliseconds.
 */
export function nodeEstEnv(
  options: { readonly directory: string; readonly timeouts?: Partial<ClientTimeouts> } & Pick<
    EstDeviceEnv,
    "ledger" | "waiting" | "warning" | "signal"
  >,
): EstDeviceEnv {
  const { directory, timeouts = {}, ...rest } = options;
  return {
    ...httpsAccess(timeouts),
    clock: systemClock,
    randomness: systemRandomness,
    keys: { generate: async (kind) => deviceKey(await generateKeyAside(kind), kind) },
    foreignKeys: {
      take: foreignKey,
      decrypt: (key, data, identifiers) =>
        decryptEnvelopedData(
          data,
          { kind: "privateKey", privateKey: privateKeyOf(key), identifiers },
          systemRandomness,
        ),
    },
    storage: estStorage(directory),
    ...rest,
  };
}

/** How a device reaches EST servers over HTTPS. */
export function httpsAccess(
  timeouts: Partial<ClientTimeouts> = {},
): Pick<EstDeviceEnv, "dial" | "fetchUnauthenticated"> {
  return {
    dial: ({ host, port, trust, identity }, signal) =>
      dialHttps({
        url: originOf(host, port),
        // RFC 7030 3.6.1: id-kp-cmcRA stands for the name of the host under the CA's own anchors, and under no others (3.6.2).
        trust:
          trust.kind === "explicit"
            ? { kind: "anchors", anchors: trust.anchors, acceptOtherName: isForRegistrationAuthority }
            : trust,
        timeouts,
        ...(identity === undefined ? {} : { credential: { chain: identity.chain, key: privateKeyOf(identity.key) } }),
        ...(signal === undefined ? {} : { signal }),
      }),
    async fetchUnauthenticated({ host, port, path }, signal) {
      const connection = await dialHttps({
        url: originOf(host, port),
        trust: { kind: "provisional" },
        timeouts,
        ...(signal === undefined ? {} : { signal }),
      });
      try {
        const answer = await connection.request({ method: "GET", path, headers: [], body: new Uint8Array(0) }, signal);
        return { peer: connection.peer, answer };
      } finally {
        await connection.close();
      }
    },
  };
}

function originOf(host: string, port: number): string {
  return `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
