import assert from "node:assert/strict";
import { test } from "node:test";
import { CryptoError } from "./errors.ts";
import { hashPassword, verifyPassword } from "./password.ts";

const salt = new Uint8Array(16).fill(5);
const saltText = "A".repeat(22);
const hashText = "A".repeat(43);

test("ok/a password is verified by its hash only", async () => {
  const hash = await hashPassword("estpwd", salt);
  assert.match(hash, /^scrypt\$16384\$8\$1\$BQUFBQUFBQUFBQUFBQUFBQ\$[A-Za-z0-9_-]{43}$/);
  assert.equal(await verifyPassword(hash, "estpwd"), true);
  assert.equal(await verifyPassword(hash, "Estpwd"), false);
  assert.equal(await verifyPassword(hash, ""), false);
});

test("ok/a hash made with openssl kdf", async () => {
  const hash = "scrypt$16384$8$1$U29kaXVtQ2hsb3JpZGVTbw$Rd2OjJobL_Wu19pfFgebU_rAJb5pUooer6CHUmiI_c0";
  assert.equal(await verifyPassword(hash, "pleaseletmein"), true);
});

test("ok/both spellings of an accented letter are one password", async () => {
  const hash = await hashPassword("caf\u00e9", salt);
  assert.equal(await verifyPassword(hash, "cafe\u0301"), true);
});

test("fail/hashes that are malformed or cost too much", async () => {
  const hashes = [
    "",
    "plain",
    `scrypt$16384$8$1$${saltText}`,
    `scrypt$16384$8$1$${saltText}$${hashText}$`,
    `bcrypt$16384$8$1$${saltText}$${hashText}`,
    `scrypt$16383$8$1$${saltText}$${hashText}`,
    `scrypt$1$8$1$${saltText}$${hashText}`,
    `scrypt$16384$0$1$${saltText}$${hashText}`,
    `scrypt$16384$8$0$${saltText}$${hashText}`,
    `scrypt$16384$8$17$${saltText}$${hashText}`,
    `scrypt$1048576$8$1$${saltText}$${hashText}`,
    `scrypt$16384$64$1$${saltText}$${hashText}`,
    `scrypt$16384$8$1$AAAA$${hashText}`,
    `scrypt$16384$8$1$${saltText}$AAAA`,
    `scrypt$16384$8$1$${saltText}$${"A".repeat(87)}`,
  ];
  for (const hash of hashes)
    await assert.rejects(
      verifyPassword(hash, "x"),
      (error) => error instanceof CryptoError && error.code === "malformed-password-hash",
      hash,
    );
  await assert.rejects(hashPassword("x", new Uint8Array(15)), { code: "salt-length" });
});
