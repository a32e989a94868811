import type { Clock } from "../core/clock.ts";
import { generateKeyAside, privateKeyFromPem, privateKeyToDer, signerOf } from "../crypto/keys.ts";
import { decodePem } from "../encoding/pem.ts";
import { parseCertificate } from "../pki/certificate.ts";
import type { DeviceKeys } from "../protocols/ports.ts";
import type { Store } from "../store/store.ts";
import type { ServerCredential } from "../transport/http/device-tls.ts";
import { registeredKey } from "./est-keys.ts";
import { fairQueue } from "./fair-queue.ts";
import type { Vault } from "./vault.ts";

interface Parts {
  readonly store: Store;
  readonly vault: Vault;
  readonly clock: Clock;
  /** The listener's, as it is now: what makes keys for devices is what they know as their server. */
  readonly credential: () => Promise<ServerCredential>;
}

/** Makes key pairs for devices of one tenant, with OpenSSL's random numbers and beside the event loop. It keeps none of them. */
export function deviceKeysOf(tenant: string, { store, vault, clock, credential }: Parts): DeviceKeys {
  return {
    async generate(kind, source) {
      const make = () => generateKeyAside(kind);
      const key = await (kind.startsWith("RSA") ? rsaKeys.run(`${tenant} ${source}`, make) : make());
      return { signer: signerOf(key), privateKey: privateKeyToDer(key) };
    },
    keyEncryptionKey: (identifier, device) => registeredKey(tenant, identifier, device, { store, vault }),
    async certificatesOf(device) {
      const now = clock.now();
      const { items } = await store.authorities.certificatesOf(tenant, device, { limit: mostCertificates });
      return items
        .filter(
          ({ revocation, notBefore, notAfter }) => revocation === undefined && notBefore <= now && now <= notAfter,
        )
        .map(({ certificate }) => parseCertificate(certificate));
    },
    async signer() {
      const { chain, key } = await credential();
      return { signer: signerOf(privateKeyFromPem(key)), chain: decodePem(chain).map(({ bytes }) => bytes) };
    },
  };
}

/** More than a device has at a time that are good. */
const mostCertificates = 32;

/**
 * One for the process, as its thread pool is: an RSA key keeps one of four threads busy for some tenths of a second, and who
 * would wait longer than a few seconds is asked to come again.
 */
const rsaKeys = fairQueue({ atOnce: 1, waiting: 16, work: "keys wait to be made" });
