// The one moment in which an official Socket.IO client falls silent. It has read the answer to its WebSocket's probe and
// stops polling; then the WebSocket breaks, and after that its last poll is answered: it neither goes over nor polls on,
// until its own heartbeat gives up, 45 s later.

/**
 * Ends a connection that fell silent in that way, so that it is made again.
 * @param {{on: Function, close: Function, upgrading: boolean}} engine the client's Engine.IO connection, when it is open
 */
export function guardUpgrade(engine) {
  engine.on("upgradeError", () => {
    if (!engine.upgrading) return; // it polls on
    engine.upgrading = false; // else closing waits for the upgrade
    engine.close();
  });
}
