import { generateKey, type PrivateKey, signerOf } from "../crypto/keys.ts";
import type { DeviceKey, KeyKind } from "../protocols/ports.ts";
import { DeviceError } from "./errors.ts";

/** A key pair of the device held in memory by this process; `privateKeyOf` finds its private half again. */
export function deviceKey(privateKey: PrivateKey, kind: KeyKind): DeviceKey {
  const key: DeviceKey = {
    kind,
    signer: signerOf(privateKey),
    signerBy: (algorithm) => signerOf(privateKey, algorithm),
  };
  privateKeys.set(key, privateKey);
  return key;
}

export function newDeviceKey(kind: KeyKind): DeviceKey {
  return deviceKey(generateKey(kind), kind);
}

/** The private half, for TLS and for storing; throws `credential-mismatch` for a key of another keeper. */
export function privateKeyOf(key: DeviceKey): PrivateKey {
  const privateKey = privateKeys.get(key);
  if (privateKey === undefined) throw new DeviceError("credential-mismatch", "the key is not kept by this process");
  return privateKey;
}

/** Off the object, so that nothing that prints or copies a DeviceKey can show it. */
const privateKeys = new WeakMap<DeviceKey, PrivateKey>();
