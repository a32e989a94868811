import type { FastifySchemaValidationError } from "fastify";

/**
 * What does not fit a schema, in one sentence: where it stands in the request and what is wanted there. Shows neither the value
 * nor a pattern.
 */
export function schemaRefusal(issue: FastifySchemaValidationError, context: string | undefined): string {
  const path = issue.instancePath.split("/").filter((part) => part !== "");
  const where = path.reduce((text, part) => (/^\d+$/.test(part) ? `${text}[${part}]` : `${text}.${part}`), "");
  const place = path.length === 0 ? `the ${places[context ?? ""] ?? "request"}` : where.replace(/^\./, "");
  return `${place}: ${wanted(issue)}.`;
}

function wanted({ keyword, message, params }: FastifySchemaValidationError): string {
  const { values, keys, minimum, maximum, origin, expected } = params as Params;
  const things = lengths[origin ?? ""] ?? "";
  switch (keyword) {
    case "invalid_value":
      return `it has to be ${values?.length === 1 ? "" : "one of "}${(values ?? []).join(", ")}`;
    case "too_small":
      return things !== "" && Number(minimum) === 1 ? "it is empty" : `it has to be at least ${minimum}${things}`;
    case "too_big":
      return `it has to be at most ${maximum}${things}`;
    case "unrecognized_keys":
      return `nobody knows the ${keys?.length === 1 ? "field" : "fields"} ${(keys ?? []).join(", ")}`;
    case "invalid_type":
      return message?.endsWith("received undefined") === true
        ? "it is missing"
        : `it has to be of the type ${expected}`;
    case "custom":
      return message ?? malformed;
    default:
      return malformed;
  }
}

/** What the schemas' library says of each kind of issue. */
interface Params {
  readonly values?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  readonly origin?: string;
  readonly expected?: string;
}

const malformed = "it is not of the form that is wanted";
const places: Readonly<Record<string, string>> = { body: "body", querystring: "query", params: "path" };
const lengths: Readonly<Record<string, string>> = { string: " characters long", array: " items long" };
