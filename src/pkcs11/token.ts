import {
  attributes,
  keyTypes,
  mechanisms,
  normalUser,
  objectClasses,
  pinEndangered,
  returnValues,
  sessionFlags,
  sessionLost,
} from "./constants.ts";
import { Pkcs11Error } from "./errors.ts";
import { mechanism, type Pkcs11Library, rvOf, template, ulong } from "./library.ts";
import type { TokenKeyKind, TokenPublicKey } from "./messages.ts";
import type { KeyUri } from "./uri.ts";

/** A token that one is logged in to. Every call blocks; a session that was lost is opened again once for each call. */
export interface Token {
  /** Throws `hsm-key-missing`. */
  find(key: KeyUri): TokenPublicKey;
  /** Makes a key pair that never leaves the token. */
  generate(label: string, id: Uint8Array, kind: TokenKeyKind): TokenPublicKey;
  /** Throws `hsm-key-missing`. */
  sign(key: KeyUri, data: Uint8Array): Uint8Array;
}

/**
 * Logs in to the token of this label. Throws `hsm-token-missing` also when two have it, `hsm-pin-wrong`, and `hsm-pin-locked`
 * without a try when it would be the last one.
 */
export function openToken(library: Pkcs11Library, label: string, pin: string): Token {
  let session = openSession(library, label, pin);
  const handles = new Map<string, bigint>();
  const withSession = <Result>(use: (session: bigint) => Result): Result => {
    try {
      return use(session);
    } catch (error) {
      const rv = rvOf(error);
      if (rv === undefined || !sessionLost.has(rv)) throw error;
      handles.clear();
      closeQuietly(library, session);
      session = openSession(library, label, pin);
      return use(session);
    }
  };
  const handleOf = (session: bigint, key: KeyUri) => {
    const name = JSON.stringify([key.object, key.id === undefined ? undefined : [...key.id]]);
    const known = handles.get(name);
    if (known !== undefined) return known;
    const handle = findOne(library, session, objectClasses.privateKey, key, label);
    handles.set(name, handle);
    return handle;
  };
  return {
    find: (key) =>
      withSession((session) => {
        handleOf(session, key);
        return publicKeyOf(library, session, findOne(library, session, objectClasses.publicKey, key, label));
      }),
    generate: (name, id, kind) =>
      withSession((session) => publicKeyOf(library, session, generatePair(library, session, name, id, kind))),
    sign: (key, data) =>
      withSession((session) => {
        const handle = handleOf(session, key);
        const type = readUlong(library, session, handle, attributes.keyType);
        const how = type === keyTypes.ec ? mechanisms.ecdsa : mechanisms.rsaPkcs;
        library.call("C_SignInit", session, mechanism(how), handle);
        const signature = Buffer.alloc(longestSignature);
        const length = ulong(signature.length);
        library.call("C_Sign", session, Buffer.from(data), data.length, signature, length);
        return signature.subarray(0, Number(length.readBigUInt64LE()));
      }),
  };
}

function openSession(library: Pkcs11Library, label: string, pin: string): bigint {
  const { slot, flags } = slotOf(library, label);
  if ((flags & pinEndangered) !== 0)
    throw new Pkcs11Error(
      "hsm-pin-locked",
      `the token ${label} allows one more wrong PIN or none; log in to it with its own tool first, or unlock it`,
    );
  const session = Buffer.alloc(8);
  library.call("C_OpenSession", slot, sessionFlags, 0n, 0n, session);
  const handle = session.readBigUInt64LE();
  const octets = Buffer.from(pin, "utf8");
  try {
    library.call("C_Login", handle, normalUser, octets, octets.length);
  } catch (error) {
    const rv = rvOf(error);
    if (rv === returnValues.userAlreadyLoggedIn) return handle;
    closeQuietly(library, handle);
    if (rv === returnValues.pinLocked)
      throw new Pkcs11Error("hsm-pin-locked", `the PIN of the token ${label} is locked; unlock it with its own tool`);
    if (rv === returnValues.pinIncorrect || rv === returnValues.pinInvalid || rv === returnValues.pinLenRange)
      throw new Pkcs11Error(
        "hsm-pin-wrong",
        `the token ${label} refuses the PIN; it is not tried again before the service is started with the right one`,
      );
    throw error;
  } finally {
    octets.fill(0);
  }
  return handle;
}

function slotOf(library: Pkcs11Library, label: string): { readonly slot: bigint; readonly flags: number } {
  const count = Buffer.alloc(8);
  const list = Buffer.alloc(8 * mostSlots);
  count.writeBigUInt64LE(BigInt(mostSlots));
  library.call("C_GetSlotList", 1, list, count);
  const labels: string[] = [];
  const labelled: { readonly slot: bigint; readonly flags: number }[] = [];
  for (let index = 0; index < Number(count.readBigUInt64LE()); index += 1) {
    const slot = list.readBigUInt64LE(index * 8);
    // CK_TOKEN_INFO: label, manufacturer, model and serial number (32, 32, 16, 16 octets), then the flags.
    const info = Buffer.alloc(256);
    try {
      library.call("C_GetTokenInfo", slot, info);
    } catch (error) {
      if (rvOf(error) === undefined) throw error;
      continue;
    }
    const found = info.toString("utf8", 0, 32).trimEnd();
    if (found === label) labelled.push({ slot, flags: Number(info.readBigUInt64LE(96)) });
    // A slot that waits for its first token has a blank label.
    if (found !== "") labels.push(found);
  }
  // The PIN of one would be a wrong try on the other.
  if (labelled.length > 1)
    throw new Pkcs11Error(
      "hsm-token-missing",
      `${labelled.length} tokens have the label ${label}; unplug all but one, or give them labels of their own`,
    );
  const [only] = labelled;
  if (only !== undefined) return only;
  throw new Pkcs11Error(
    "hsm-token-missing",
    `there is no token ${label}; there ${labels.length === 0 ? "is none" : `are: ${labels.join(", ")}`}; plug it in, or name another one`,
  );
}

function findOne(library: Pkcs11Library, session: bigint, objectClass: number, key: KeyUri, token: string): bigint {
  const entries: [number, Buffer][] = [[attributes.class, ulong(objectClass)]];
  if (key.id !== undefined) entries.push([attributes.id, Buffer.from(key.id)]);
  if (key.object !== undefined) entries.push([attributes.label, Buffer.from(key.object, "utf8")]);
  library.call("C_FindObjectsInit", session, template(entries), entries.length);
  const found = Buffer.alloc(16);
  const count = Buffer.alloc(8);
  try {
    library.call("C_FindObjects", session, found, 2, count);
  } finally {
    library.call("C_FindObjectsFinal", session);
  }
  const name = key.object ?? Buffer.from(key.id ?? []).toString("hex");
  if (count.readBigUInt64LE() === 0n)
    throw new Pkcs11Error(
      "hsm-key-missing",
      `the token ${token} does not hold the ${objectClass === objectClasses.publicKey ? "public" : "private"} key ${name}; restore it from the token's backup`,
    );
  if (count.readBigUInt64LE() > 1n)
    throw new Pkcs11Error("hsm-key-missing", `the token ${token} holds more than one key ${name}; name it by its id`);
  return found.readBigUInt64LE();
}

function generatePair(
  library: Pkcs11Library,
  session: bigint,
  name: string,
  id: Uint8Array,
  kind: TokenKeyKind,
): bigint {
  const [yes, no] = [Buffer.of(1), Buffer.of(0)];
  const label = Buffer.from(name, "utf8");
  const shared: [number, Buffer][] = [
    [attributes.token, yes],
    [attributes.label, label],
    [attributes.id, Buffer.from(id)],
  ];
  const curve = curves[kind];
  const publicTemplate: [number, Buffer][] = [
    ...shared,
    [attributes.verify, yes],
    ...(curve === undefined
      ? ([
          [attributes.modulusBits, ulong(kind === "RSA-3072" ? 3072 : 2048)],
          [attributes.publicExponent, Buffer.of(1, 0, 1)],
        ] as [number, Buffer][])
      : ([[attributes.ecParams, curve]] as [number, Buffer][])),
  ];
  const privateTemplate: [number, Buffer][] = [
    ...shared,
    [attributes.private, yes],
    [attributes.sensitive, yes],
    [attributes.extractable, no],
    [attributes.sign, yes],
  ];
  const [publicHandle, privateHandle] = [Buffer.alloc(8), Buffer.alloc(8)];
  library.call(
    "C_GenerateKeyPair",
    session,
    mechanism(curve === undefined ? mechanisms.rsaKeyPairGen : mechanisms.ecKeyPairGen),
    template(publicTemplate),
    publicTemplate.length,
    template(privateTemplate),
    privateTemplate.length,
    publicHandle,
    privateHandle,
  );
  return publicHandle.readBigUInt64LE();
}

function publicKeyOf(library: Pkcs11Library, session: bigint, handle: bigint): TokenPublicKey {
  const type = readUlong(library, session, handle, attributes.keyType);
  const read = (attribute: number) => readBytes(library, session, handle, attribute);
  if (type === keyTypes.ec)
    return { kind: "ec", parameters: read(attributes.ecParams), point: read(attributes.ecPoint) };
  if (type === keyTypes.rsa)
    return { kind: "rsa", modulus: read(attributes.modulus), exponent: read(attributes.publicExponent) };
  throw new Pkcs11Error("hsm-refused", "the key in the token is neither of an elliptic curve nor of RSA");
}

function readUlong(library: Pkcs11Library, session: bigint, handle: bigint, attribute: number): number {
  return Number(Buffer.from(readBytes(library, session, handle, attribute)).readBigUInt64LE());
}

function readBytes(library: Pkcs11Library, session: bigint, handle: bigint, attribute: number): Uint8Array {
  const value = Buffer.alloc(longestAttribute);
  const wanted = template([[attribute, value]]);
  library.call("C_GetAttributeValue", session, handle, wanted, 1);
  return value.subarray(0, Math.min(value.length, Number(wanted.readBigUInt64LE(16))));
}

function closeQuietly(library: Pkcs11Library, session: bigint): void {
  try {
    library.call("C_CloseSession", session);
  } catch (error) {
    if (rvOf(error) === undefined) throw error;
  }
}

/** ECParameters in DER: the curves' object identifiers (RFC 5480 2.1.1.1). */
const curves: Readonly<Record<TokenKeyKind, Buffer | undefined>> = {
  "P-256": Buffer.from("06082a8648ce3d030107", "hex"),
  "P-384": Buffer.from("06052b81040022", "hex"),
  "RSA-2048": undefined,
  "RSA-3072": undefined,
};

const mostSlots = 64;
/** RSA of 8192 bits. */
const longestSignature = 1024;
const longestAttribute = 2048;
