import { rm } from "node:fs/promises";
import { join } from "node:path";
import { equal } from "../core/bytes.ts";
import { privateKeyFromPem, privateKeyToPem } from "../crypto/keys.ts";
import { encodePem } from "../encoding/pem.ts";
import type { EstDeviceStorage } from "../protocols/est/index.ts";
import type { DeviceKey } from "../protocols/ports.ts";
import { FileSets, makeOwnDirectory, readFileIfThere, writeFileAtomically } from "./files.ts";
import { keyKindOf } from "./identity.ts";
import { deviceKey, privateKeyOf } from "./keys.ts";
import { requireOwnPath } from "./ownership.ts";

/**
 * Keeps a device's EST credential under `directory`: `current/key.pem`, `cert.pem`, `chain.pem` and `ca.pem` change
 * together; `pending-key.pem` is the key of an enrolment that has not ended. Every file has mode 0600. Refuses a directory
 * that other users own or may write: they could put a key there that they know. Throws DeviceError.
 */
export function estStorage(directory: string): EstDeviceStorage {
  const sets = new FileSets(directory);
  const pendingPath = join(directory, "pending-key.pem");
  return {
    async pendingKey() {
      await requireOwnPath(directory);
      const pem = await readFileIfThere(pendingPath);
      if (pem === undefined) return undefined;
      const key = keyOf(pem.toString("utf8"));
      // Left over from a switch-off between the change of the set and the removal: that enrolment has ended.
      const current = await sets.read("key.pem");
      if (current !== undefined && sameKey(keyOf(current.toString("utf8")), key)) {
        await rm(pendingPath, { force: true });
        return undefined;
      }
      return key;
    },
    async savePendingKey(key) {
      await makeOwnDirectory(directory);
      await writeFileAtomically(pendingPath, privateKeyToPem(privateKeyOf(key)));
    },
    async saveCredential({ key, certificate, chain, authorities }) {
      const pem = (certificates: readonly Uint8Array[]) =>
        certificates.map((der) => encodePem("CERTIFICATE", der)).join("");
      await sets.replace({
        "key.pem": privateKeyToPem(privateKeyOf(key)),
        "cert.pem": pem([certificate]),
        "chain.pem": pem([certificate, ...chain]),
        "ca.pem": pem(authorities),
      });
      await rm(pendingPath, { force: true });
    },
  };
}

function keyOf(pem: string): DeviceKey {
  const privateKey = privateKeyFromPem(pem);
  return deviceKey(privateKey, keyKindOf(privateKey));
}

function sameKey(a: DeviceKey, b: DeviceKey): boolean {
  return equal(a.signer.publicKey, b.signer.publicKey);
}
