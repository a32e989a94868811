// Refuses a Node.js that cannot run this program, before anything newer than ES2020 is loaded.

const needed = 26;
const found = process.versions.node;

if (Number(found.split(".")[0]) < needed) {
  process.stderr.write(
    `hatchery needs Node.js ${needed} or newer and was started with ${found}: in a clone run "npm ci" ` +
      `(without --ignore-scripts, which would leave out the pinned Node.js) and then "npx --no hatchery ...", ` +
      `elsewhere install Node.js ${needed}.\n`,
  );
  process.exit(2);
}
