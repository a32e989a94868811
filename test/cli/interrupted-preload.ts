/** SIGTERM comes as soon as the program listens for it. */
process.on("newListener", (event) => {
  if (event === "SIGTERM") setImmediate(() => process.kill(process.pid, "SIGTERM"));
});
