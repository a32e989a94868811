import { toBuffer } from "node:ffi";
import { attributes, keyTypes, objectClasses } from "./constants.ts";
import { type Pkcs11Library, ulong } from "./library.ts";

/** An EC key pair in the token; `mark` is its point, and its signature over whatever is to be signed. */
export interface FakeKey {
  readonly label: string;
  readonly id: Uint8Array;
  readonly mark: string;
}

/** A module with one token in each slot, of these labels, all of which hold the same keys. */
export function fakeLibrary(labels: readonly string[], keys: readonly FakeKey[] = []) {
  const logins: { readonly slot: number; readonly pin: string }[] = [];
  const objects = [objectClasses.privateKey, objectClasses.publicKey].flatMap((kind) =>
    keys.map((key) => ({ ...key, kind })),
  );
  let found: number[] = [];
  let signing = 0;

  const functions: { readonly [Name in Parameters<Pkcs11Library["call"]>[0]]?: (...values: never[]) => void } = {
    C_GetSlotList(_: number, list: Buffer, count: Buffer) {
      for (const slot of labels.keys()) list.writeBigUInt64LE(BigInt(slot), slot * 8);
      count.writeBigUInt64LE(BigInt(labels.length));
    },
    C_GetTokenInfo(slot: bigint, info: Buffer) {
      info.write((labels[Number(slot)] ?? "").padEnd(32));
    },
    C_OpenSession(slot: bigint, _flags: number, _application: bigint, _notify: bigint, session: Buffer) {
      session.writeBigUInt64LE(slot);
    },
    C_Login(session: bigint, _user: number, pin: Buffer) {
      logins.push({ slot: Number(session), pin: pin.toString() });
    },
    C_FindObjectsInit(_session: bigint, entries: Buffer, count: number) {
      const wanted = attributesIn(entries, count);
      found = objects.flatMap(({ kind, label, id }, handle) => {
        const held = new Map<number, Buffer>([
          [attributes.class, ulong(kind)],
          [attributes.label, Buffer.from(label)],
          [attributes.id, Buffer.from(id)],
        ]);
        return wanted.every(({ type, value }) => held.get(type)?.equals(value)) ? [handle] : [];
      });
    },
    C_FindObjects(_session: bigint, handles: Buffer, most: number, count: Buffer) {
      const given = found.slice(0, most);
      for (const [index, handle] of given.entries()) handles.writeBigUInt64LE(BigInt(handle), index * 8);
      count.writeBigUInt64LE(BigInt(given.length));
    },
    C_FindObjectsFinal() {},
    C_GetAttributeValue(_session: bigint, handle: bigint, entries: Buffer) {
      const [entry] = attributesIn(entries, 1);
      const value = entry?.type === attributes.keyType ? ulong(keyTypes.ec) : markOf(Number(handle));
      entry?.value.set(value);
      entries.writeBigUInt64LE(BigInt(value.length), 16);
    },
    C_SignInit(_session: bigint, _mechanism: Buffer, handle: bigint) {
      signing = Number(handle);
    },
    C_Sign(_session: bigint, _data: Buffer, _size: number, signature: Buffer, length: Buffer) {
      const mark = markOf(signing);
      signature.set(mark);
      length.writeBigUInt64LE(BigInt(mark.length));
    },
  };
  const markOf = (handle: number) => Buffer.from(objects[handle]?.mark ?? "");
  const library: Pkcs11Library = { call: (name, ...values) => functions[name]?.(...(values as never[])) };
  return { library, logins };
}

/** The CK_ATTRIBUTE array, with the memory that it points to. */
function attributesIn(entries: Buffer, count: number) {
  return Array.from({ length: count }, (_, index) => {
    const [type, pointer, length] = [0, 8, 16].map((offset) => entries.readBigUInt64LE(index * 24 + offset));
    return { type: Number(type), value: toBuffer(pointer ?? 0n, Number(length), false) };
  });
}
