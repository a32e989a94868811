/** Numbers of PKCS#11 2.40 (OASIS, pkcs11-base and pkcs11-curr), which 3.x keeps. */

export const returnValues = {
  ok: 0x00,
  tokenNotPresent: 0xe0,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinLenRange: 0xa2,
  pinLocked: 0xa4,
  userAlreadyLoggedIn: 0x100,
  cryptokiAlreadyInitialized: 0x191,
  mechanismInvalid: 0x70,
  attributeTypeInvalid: 0x12,
  templateInconsistent: 0xd1,
} as const;

/** After these a new session with a new login may well do what the old one did not. */
export const sessionLost: ReadonlySet<number> = new Set([
  0x30, // CKR_DEVICE_ERROR
  0x32, // CKR_DEVICE_REMOVED
  0x60, // CKR_KEY_HANDLE_INVALID
  0x82, // CKR_OBJECT_HANDLE_INVALID
  0xb0, // CKR_SESSION_CLOSED
  0xb3, // CKR_SESSION_HANDLE_INVALID
  0xe0, // CKR_TOKEN_NOT_PRESENT
  0x101, // CKR_USER_NOT_LOGGED_IN
]);

export const attributes = {
  class: 0x00,
  token: 0x01,
  private: 0x02,
  label: 0x03,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export const objectClasses = { publicKey: 2, privateKey: 3 } as const;

export const mechanisms = { rsaKeyPairGen: 0x00, rsaPkcs: 0x01, ecKeyPairGen: 0x1040, ecdsa: 0x1041 } as const;

export const keyTypes = { rsa: 0, ec: 3 } as const;

/** CKF_SERIAL_SESSION and CKF_RW_SESSION. */
export const sessionFlags = 0x06;

/** CKF_OS_LOCKING_OK. */
export const initializeFlags = 0x02;

/** CKU_USER. */
export const normalUser = 1;

/** CKF_USER_PIN_FINAL_TRY and CKF_USER_PIN_LOCKED of a token. */
export const pinEndangered = 0x00060000;
