import { rm } from "node:fs/promises";
import { join } from "node:path";
import { equal, hex } from "../core/bytes.ts";
import { messageOf } from "../core/errors.ts";
import { privateKeyFromPem, privateKeyToPem } from "../crypto/keys.ts";
import { encodePem } from "../encoding/pem.ts";
import type { EstDeviceStorage } from "../protocols/est/index.ts";
import type { DeviceKey } from "../protocols/ports.ts";
import { DeviceError } from "./errors.ts";
import { FileSets, makeOwnDirectory, readFileIfThere, writeFileAtomically } from "./files.ts";
import { certificatesIn, currentAnchors, currentIdentity, keyKindOf } from "./identity.ts";
import { deviceKey, privateKeyOf } from "./keys.ts";
import { locked } from "./lock.ts";
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
  const pending = async () => {
    const pem = await readFileIfThere(pendingPath);
    return pem === undefined ? undefined : keyIn(pem.toString("utf8"), pendingPath);
  };
  /** Unless another enrolment has begun meanwhile: then the key is that one's. */
  const forget = async (key: DeviceKey) => {
    const kept = await pending();
    if (kept !== undefined && sameKey(kept, key)) await rm(pendingPath, { force: true });
  };
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
      await locked(directory, () => writeFileAtomically(anchorsPath, pemOf(anchors)));
    },
    credential: () => currentIdentity(directory),
    async pendingKey() {
      await requireOwnPath(directory);
      const key = await pending();
      if (key === undefined) return undefined;
      // Left over from a switch-off between the change of the set and the removal: that enrolment has ended.
      const [current, replaced] = [await sets.read("key.pem"), await sets.read(replacedName)];
      const isCurrent =
        current !== undefined && sameKey(keyIn(current.toString("utf8"), join(directory, "current", "key.pem")), key);
      if (isCurrent || replaced?.toString("utf8") === hex(key.signer.publicKey)) {
        await locked(directory, () => forget(key));
        return undefined;
      }
      return key;
    },
    async savePendingKey(key) {
      await makeOwnDirectory(directory);
      await locked(directory, () => writeFileAtomically(pendingPath, privateKeyToPem(privateKeyOf(key))));
    },
    async saveCredential({ key, replaces, certificate, chain, authorities, anchors }) {
      await makeOwnDirectory(directory);
      await locked(directory, async () => {
        await sets.replace({
          "key.pem": privateKeyToPem(privateKeyOf(key)),
          "cert.pem": pemOf([certificate]),
          "chain.pem": pemOf([certificate, ...chain]),
          "ca.pem": pemOf(authorities),
          "anchors.pem": pemOf(anchors),
          ...(replaces === undefined ? {} : { [replacedName]: hex(replaces.signer.publicKey) }),
        });
        await forget(replaces ?? key);
        // From here on the anchors of the set hold.
        await rm(anchorsPath, { force: true });
      });
    },
  };
}

/** The public half of the key with which another one was asked for, so that a switch-off leaves nothing to go on with. */
const replacedName = "requested-with";

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => encodePem("CERTIFICATE", der)).join("");
}

function keyIn(pem: string, file: string): DeviceKey {
  try {
    const privateKey = privateKeyFromPem(pem);
    return deviceKey(privateKey, keyKindOf(privateKey));
  } catch (cause) {
    const sentence = `${file} holds no private key that can be used: ${messageOf(cause)}; remove it to begin anew`;
    throw new DeviceError("credential-unreadable", sentence, { cause });
  }
}

function sameKey(a: DeviceKey, b: DeviceKey): boolean {
  return equal(a.signer.publicKey, b.signer.publicKey);
}
