import { rm } from "node:fs/promises";
import { join } from "node:path";
import { equal, hex } from "../core/bytes.ts";
import { privateKeyFromPem, privateKeyToPem } from "../crypto/keys.ts";
import { encodePem } from "../encoding/pem.ts";
import type { EstDeviceStorage } from "../protocols/est/index.ts";
import type { DeviceKey } from "../protocols/ports.ts";
import { FileSets, makeOwnDirectory, readFileIfThere, writeFileAtomically } from "./files.ts";
import { certificatesIn, currentAnchors, currentIdentity, keyKindOf } from "./identity.ts";
import { deviceKey, privateKeyOf } from "./keys.ts";
import { requireOwnPath } from "./ownership.ts";

/**
 * Keeps a device's EST credential under `directory`: `current/key.pem`, `cert.pem`, `chain.pem` and `ca.pem` change
 * together; `pending-key.pem` is the key of an enrolment that has not ended, `anchors.pem` what it has trusted for the first time. Every file has mode 0600. Refuses a directory
 * that other users own or may write: they could put a key there that they know. Throws DeviceError.
 */
export function estStorage(directory: string): EstDeviceStorage {
  const sets = new FileSets(directory);
  const pendingPath = join(directory, "pending-key.pem");
  const anchorsPath = join(directory, "anchors.pem");
  return {
    async anchors() {
      await requireOwnPath(directory);
      const current = await currentAnchors(directory);
      if (current !== undefined) return current;
      const pem = await readFileIfThere(anchorsPath);
      return pem === undefined ? undefined : certificatesIn(pem.toString("utf8"), anchorsPath);
    },
    async saveAnchors(anchors) {
      await makeOwnDirectory(directory);
      await writeFileAtomically(anchorsPath, pemOf(anchors));
    },
    credential: () => currentIdentity(directory),
    async pendingKey() {
      await requireOwnPath(directory);
      const pem = await readFileIfThere(pendingPath);
      if (pem === undefined) return undefined;
      const key = keyOf(pem.toString("utf8"));
      // Left over from a switch-off between the change of the set and the removal: that enrolment has ended.
      const [current, replaced] = [await sets.read("key.pem"), await sets.read(replacedName)];
      const isCurrent = current !== undefined && sameKey(keyOf(current.toString("utf8")), key);
      if (isCurrent || replaced?.toString("utf8") === hex(key.signer.publicKey)) {
        await rm(pendingPath, { force: true });
        return undefined;
      }
      return key;
    },
    async savePendingKey(key) {
      await makeOwnDirectory(directory);
      await writeFileAtomically(pendingPath, privateKeyToPem(privateKeyOf(key)));
    },
    async saveCredential({ key, replaces, certificate, chain, authorities, anchors }) {
      await sets.replace({
        "key.pem": privateKeyToPem(privateKeyOf(key)),
        "cert.pem": pemOf([certificate]),
        "chain.pem": pemOf([certificate, ...chain]),
        "ca.pem": pemOf(authorities),
        "anchors.pem": pemOf(anchors),
        ...(replaces === undefined ? {} : { [replacedName]: hex(replaces.signer.publicKey) }),
      });
      await rm(pendingPath, { force: true });
      // From here on the anchors of the set hold.
      await rm(anchorsPath, { force: true });
    },
  };
}

/** The public half of the key with which another one was asked for, so that a switch-off leaves nothing to go on with. */
const replacedName = "requested-with";

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => encodePem("CERTIFICATE", der)).join("");
}

function keyOf(pem: string): DeviceKey {
  const privateKey = privateKeyFromPem(pem);
  return deviceKey(privateKey, keyKindOf(privateKey));
}

function sameKey(a: DeviceKey, b: DeviceKey): boolean {
  return equal(a.signer.publicKey, b.signer.publicKey);
}
