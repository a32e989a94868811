import { codeOf, messageOf } from "../core/errors.ts";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question, Request, Response } from "./messages.ts";
import { openToken, type Token } from "./token.ts";

// The process that holds the vendor's module: when that crashes or blocks, the service does not. It ends with its parent.

let token: Token | undefined;

process.on("disconnect", () => process.exit());
process.on("message", ({ number, question }: Request) => {
  let response: Response;
  try {
    response = { number, kind: "done", answer: answer(question) };
  } catch (error) {
    const code = error instanceof Pkcs11Error ? error.code : "hsm-failed";
    const message =
      error instanceof Pkcs11Error
        ? error.message
        : `the PKCS#11 process failed: ${codeOf(error)}: ${messageOf(error)}`;
    response = { number, kind: "failed", code, message };
  }
  process.send?.(response);
});

function answer(question: Question): Answer {
  if (question.kind === "open") {
    token = openToken(question.module, question.token, question.pin);
    return {};
  }
  if (token === undefined) throw new Pkcs11Error("hsm-closed", "no token is open");
  switch (question.kind) {
    case "find":
      return { publicKey: token.find(question.key) };
    case "generate":
      return { publicKey: token.generate(question.label, question.id, question.key) };
    case "sign":
      return { signature: token.sign(question.key, question.data) };
  }
}
