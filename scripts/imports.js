// Finds what a TypeScript or JavaScript source imports, without a parser: a scanner that knows comments, strings,
// templates and regular expressions, and a reader of import and export declarations on top of it.

/**
 * Everything that `source` imports, in order. `typeOnly` is true where nothing remains at run time; `specifier` is
 * undefined for an `import()` of something else than one plain string.
 *
 * @param {string} source
 * @returns {{ specifier: string | undefined, typeOnly: boolean, line: number }[]}
 */
export function importsOf(source) {
  const tokens = scan(source);
  const found = [];
  tokens.forEach((token, at) => {
    if (token.kind !== "word" || !Object.hasOwn(readers, token.text)) return;
    const member = tokens[at - 1]?.text === "." && tokens[at - 2]?.text !== ".";
    if (member && token.text !== "getBuiltinModule") return;
    const result = readers[token.text](tokens, at);
    if (result !== undefined) found.push({ ...result, line: token.line });
  });
  return found;
}

const readers = {
  import(tokens, at) {
    const next = tokens[at + 1];
    if (next?.kind === "string") return { specifier: next.text, typeOnly: false };
    if (next?.text === "(") return called(tokens, at);
    if (next?.kind !== "word" && next?.text !== "{" && next?.text !== "*") return undefined;
    // `import type from "x"` imports a default named "type".
    const typeOnly = next.text === "type" && !(tokens[at + 2]?.text === "from" && tokens[at + 3]?.kind === "string");
    return clause(tokens, at + 1, typeOnly);
  },

  export(tokens, at) {
    const typeOnly = tokens[at + 1]?.text === "type";
    const start = typeOnly ? at + 2 : at + 1;
    if (tokens[start]?.text === "*") return clause(tokens, start, typeOnly);
    if (tokens[start]?.text !== "{") return undefined;
    const end = closing(tokens, start);
    if (tokens[end + 1]?.text !== "from" || tokens[end + 2]?.kind !== "string") return undefined;
    return { specifier: tokens[end + 2].text, typeOnly };
  },

  // The ways around import declarations.
  require: (tokens, at) => (tokens[at + 1]?.text === "(" ? called(tokens, at) : undefined),
  getBuiltinModule: (tokens, at) => (tokens[at + 1]?.text === "(" ? called(tokens, at) : undefined),
};

/** From an import clause to the string after its `from`; undefined when the statement ends without one. */
function clause(tokens, start, typeOnly) {
  for (let at = start; at < tokens.length && tokens[at].text !== ";"; at += 1) {
    if (tokens[at].kind === "word" && tokens[at].text === "from" && tokens[at + 1]?.kind === "string")
      return { specifier: tokens[at + 1].text, typeOnly };
  }
  return undefined;
}

/** A call such as `import("x")`; undefined when it is the declaration of a method of that name. */
function called(tokens, at) {
  const end = closing(tokens, at + 1);
  const argument = tokens[at + 2];
  const plain = argument?.kind === "string" && (end === at + 3 || tokens[at + 3]?.text === ",");
  if (plain) return { specifier: argument.text, typeOnly: false };
  const before = tokens[at - 1]?.text;
  const after = tokens[end + 1]?.text;
  const declared = (after === "{" || after === ":") && before !== "await" && before !== "?";
  return declared ? undefined : { specifier: undefined, typeOnly: false };
}

/** Index of the bracket that closes the one at `open`, or the last index. */
function closing(tokens, open) {
  let depth = 0;
  for (let at = open; at < tokens.length; at += 1) {
    if (tokens[at].kind !== "punctuation") continue;
    if ("([{".includes(tokens[at].text)) depth += 1;
    if (")]}".includes(tokens[at].text)) depth -= 1;
    if (depth === 0) return at;
  }
  return tokens.length - 1;
}

/**
 * Tokens of `source`: words (names, keywords, numbers), strings, templates, regular expressions and single punctuation
 * characters. The code inside a template's `${}` is scanned like any other.
 */
function scan(source) {
  const tokens = [];
  /** Brackets that are open; what stood before each decides what a slash after its end means. */
  const open = [];
  let line = 1;
  let at = 0;
  /** True after something that has a value: a slash here divides, elsewhere it begins a regular expression. */
  let value = false;

  const push = (kind, text, valued) => {
    tokens.push({ kind, text, line });
    value = valued;
  };
  const take = (pattern) => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const advance = (text) => {
    at += text.length;
    line += text.split("\n").length - 1;
  };
  const template = () => {
    const text = take(templatePart) ?? source.slice(at);
    if (text.endsWith("${")) {
      push("template", text, false);
      open.push("template");
    } else push("template", text, true);
    advance(text);
  };

  while (at < source.length) {
    const skipped = take(blank);
    if (skipped !== undefined) {
      advance(skipped);
      continue;
    }
    const character = source[at];
    const previous = tokens.at(-1);

    if (character === "`") {
      at += 1;
      template();
      continue;
    }
    if (character === "}" && open.at(-1) === "template") {
      open.pop();
      at += 1;
      template();
      continue;
    }

    const string = take(quoted);
    if (string !== undefined) {
      // An escape could spell any name, so such a string is not a plain one.
      push(string.includes("\\") ? "template" : "string", string.slice(1, -1), true);
      advance(string);
      continue;
    }
    const word = take(name);
    if (word !== undefined) {
      push("word", word, previous?.text === "." || !beforeExpression.has(word));
      at += word.length;
      continue;
    }
    const expression = character === "/" && !value ? take(regularExpression) : undefined;
    if (expression !== undefined) {
      push("regular expression", expression, true);
      at += expression.length;
      continue;
    }

    let valued = character === "]";
    if (character === "(")
      open.push(previous !== undefined && beforeCondition.has(previous.text) ? "condition" : "call");
    else if (character === "[") open.push("list");
    else if (character === "{")
      open.push(value || previous === undefined || beforeBlock.has(previous.text) ? "block" : "object");
    else if (character === ")") valued = open.pop() !== "condition";
    else if (character === "}") valued = open.pop() === "object";
    else if (character === "]") open.pop();
    // `x!` and `x++` leave the value of x, `!x` and `++x` wait for one.
    else if (character === "!" && source[at + 1] !== "=") valued = value;
    else if ((character === "+" || character === "-") && source[at - 1] === character) valued = valueBefore(tokens);
    push("punctuation", character, valued);
    at += 1;
  }
  return tokens;

  /** Whether the operand before a doubled sign had a value. */
  function valueBefore(all) {
    const operand = all.at(-2);
    return (
      operand !== undefined &&
      (operand.kind !== "punctuation" ? !beforeExpression.has(operand.text) : ")]".includes(operand.text))
    );
  }
}

const blank = /(?:\s|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|^#![^\n]*)+/y;
const quoted = /"(?:[^"\\\n]|\\[\s\S])*"|'(?:[^'\\\n]|\\[\s\S])*'/y;
const name = /[\p{ID_Start}\d_$#@][\p{ID_Continue}$]*/uy;
const templatePart = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const regularExpression = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const beforeExpression = new Set(
  "return typeof case in of delete void throw new instanceof else do yield await extends default as satisfies".split(
    " ",
  ),
);
const beforeCondition = new Set(["if", "while", "for", "with"]);
const beforeBlock = new Set([")", ";", "{", "}", ">", "else", "do", "try", "finally"]);
