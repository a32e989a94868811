import { connect } from "node:net";
import { Pkcs11Error } from "./errors.ts";
import { serveToken } from "./serve.ts";
import type { Token } from "./token.ts";

// A program in the place of child.ts. The label of the token says what the module does, its path is a socket of the test,
// which learns over it when this process ends.

serveToken(({ module, token }) => {
  const socket = connect(module);
  switch (token) {
    case "hangs":
      return hang();
    case "is missing":
      throw new Pkcs11Error("hsm-token-missing", "there is no such token");
    case "crashes":
      return process.abort();
    case "shows its environment":
      throw new Pkcs11Error("hsm-failed", Object.keys(process.env).join(" "));
    default:
      socket.unref();
      return signing;
  }
});

/** Signs with the data itself; hangs when that is empty. */
const signing: Token = {
  find: () => ({ kind: "ec", parameters: new Uint8Array(), point: new Uint8Array() }),
  generate: () => ({ kind: "ec", parameters: new Uint8Array(), point: new Uint8Array() }),
  sign: (_, data) => (data.length === 0 ? hang() : data),
};

/** As a vendor's library does: the thread hears nothing any more. */
function hang(): never {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  throw new Error("nobody wakes it");
}
