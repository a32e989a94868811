/** Private keys in hardware modules, over PKCS#11: what other rooms import. */
export { Pkcs11Error, type Pkcs11ErrorCode } from "./errors.ts";
export { type TokenKeys, type TokenOptions, tokenKeys } from "./token-keys.ts";
export { formatKeyUri, isKeyUri, type KeyUri, parseKeyUri } from "./uri.ts";
