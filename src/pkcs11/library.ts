import { DynamicLibrary, getRawPointer } from "node:ffi";
import { messageOf } from "../core/errors.ts";
import { initializeFlags, returnValues } from "./constants.ts";
import { Pkcs11Error } from "./errors.ts";

/** The C functions of one module, for LP64 machines. A call blocks the thread, and a module that crashes ends the process. */
export interface Pkcs11Library {
  /** Calls a function of the module; throws `hsm-failed` with `details.rv` for every other answer than CKR_OK. */
  call<Name extends keyof typeof signatures>(name: Name, ...values: readonly (number | bigint | Buffer | null)[]): void;
}

/** Loads the module and initialises it; throws `hsm-module`. */
export function loadLibrary(path: string): Pkcs11Library {
  const functions = functionsOf(path);
  const call: Pkcs11Library["call"] = (name, ...values) => {
    const rv = Number(functions[name]?.(...values.map(argument)));
    if (rv !== returnValues.ok) throw failed(name, rv);
  };
  // CK_C_INITIALIZE_ARGS: four callbacks that are not given, the flags, and a reserved pointer.
  const initialization = Buffer.alloc(48);
  initialization.writeBigUInt64LE(BigInt(initializeFlags), 32);
  try {
    call("C_Initialize", initialization);
  } catch (error) {
    if (rvOf(error) !== returnValues.cryptokiAlreadyInitialized) throw error;
  }
  return { call };
}

/** The return value that a call threw; undefined for other errors. */
export function rvOf(error: unknown): number | undefined {
  const rv = error instanceof Pkcs11Error ? error.details["rv"] : undefined;
  return typeof rv === "number" ? rv : undefined;
}

/** CK_ATTRIBUTE array; the values must stay referenced until the call is over. */
export function template(entries: readonly (readonly [type: number, value: Buffer])[]): Buffer {
  const bytes = Buffer.alloc(Math.max(1, entries.length * 24));
  entries.forEach(([type, value], index) => {
    bytes.writeBigUInt64LE(BigInt(type), index * 24);
    bytes.writeBigUInt64LE(value.length === 0 ? 0n : getRawPointer(value), index * 24 + 8);
    bytes.writeBigUInt64LE(BigInt(value.length), index * 24 + 16);
  });
  return bytes;
}

/** CK_MECHANISM without a parameter. */
export function mechanism(type: number): Buffer {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(type));
  return bytes;
}

/** CK_ULONG. */
export function ulong(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function functionsOf(path: string): Partial<Record<string, (...values: never[]) => unknown>> {
  try {
    const library = new DynamicLibrary(path);
    return Object.fromEntries(
      Object.entries(signatures).map(([name, parameters]) => [
        name,
        library.getFunction(name, { arguments: parameters, return: "uint64" }) as (...values: never[]) => unknown,
      ]),
    );
  } catch (cause) {
    throw new Pkcs11Error(
      "hsm-module",
      `the PKCS#11 module ${path} cannot be used: ${messageOf(cause)}; give the path of the vendor's library`,
    );
  }
}

function argument(value: number | bigint | Buffer | null): never {
  return (typeof value === "number" ? BigInt(value) : value) as never;
}

function failed(name: string, rv: number): Pkcs11Error {
  const shown = `0x${rv.toString(16).padStart(8, "0")}`;
  return new Pkcs11Error("hsm-failed", `the token answered ${name} with ${shown}; look the number up in PKCS#11`, {
    details: { rv },
  });
}

const signatures = {
  C_Initialize: ["buffer"],
  C_GetSlotList: ["uint64", "buffer", "buffer"],
  C_GetTokenInfo: ["uint64", "buffer"],
  C_OpenSession: ["uint64", "uint64", "pointer", "pointer", "buffer"],
  C_CloseSession: ["uint64"],
  C_Login: ["uint64", "uint64", "buffer", "uint64"],
  C_FindObjectsInit: ["uint64", "buffer", "uint64"],
  C_FindObjects: ["uint64", "buffer", "uint64", "buffer"],
  C_FindObjectsFinal: ["uint64"],
  C_GetAttributeValue: ["uint64", "uint64", "buffer", "uint64"],
  C_GenerateKeyPair: ["uint64", "buffer", "buffer", "uint64", "buffer", "uint64", "buffer", "buffer"],
  C_SignInit: ["uint64", "buffer", "uint64"],
  C_Sign: ["uint64", "buffer", "uint64", "buffer", "buffer"],
} as const;
