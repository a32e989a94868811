// Every script imports this first: static imports run in order, so nothing of a script runs on a Node.js that is too old.
// Scripts import the rest with `import()`, because static imports are linked before the check can speak.
import "../bin/check-node.js";
