// Lets `hatchery/est` resolve to the sources, as `--conditions=hatchery:source` does, in a process that is already running.
import { registerHooks } from "node:module";

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier, { ...context, conditions: [...context.conditions, "hatchery:source"] }),
});
