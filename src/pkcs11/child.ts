import { loadLibrary } from "./library.ts";
import { serveToken } from "./serve.ts";
import { openToken } from "./token.ts";

// The process that holds the vendor's module: when that crashes or blocks, the service does not.

serveToken(({ module, token, pin }) => openToken(loadLibrary(module), token, pin));
