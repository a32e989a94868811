import { codeOf, messageOf } from "../core/errors.ts";
import { endWithParent } from "./end-with-parent.ts";
import { Pkcs11Error } from "./errors.ts";
import type { Answer, Question, Request, Response } from "./messages.ts";
import type { Token } from "./token.ts";

/** Answers the questions of the parent process with the token that `open` gives, and ends with it. */
export function serveToken(open: (opening: Opening) => Token): void {
  let token: Token | undefined;

  const answer = (question: Question): Answer => {
    if (question.kind === "open") {
      token = open(question);
      return {};
    }
    if (token === undefined) throw new Pkcs11Error("hsm-closed", "no token is open");
    switch (question.kind) {
      case "check":
        return {};
      case "find":
        return { publicKey: token.find(question.key) };
      case "generate":
        return { publicKey: token.generate(question.label, question.id, question.key) };
      case "sign":
        return { signature: token.sign(question.key, question.data) };
    }
  };

  endWithParent();
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
}

type Opening = Extract<Question, { readonly kind: "open" }>;
