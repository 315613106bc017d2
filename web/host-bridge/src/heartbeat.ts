const EVERY_MS = 5_000;
/** After so many unanswered pings the page counts as silent. Times are not compared: a suspended tab is not a silence. */
const UNANSWERED_LIMIT = 3;

/**
 * Find out when a page does not answer any more: a port tells nothing when the document at its other end is gone. `heard`
 * is for each message of the page.
 */
export function heartbeat(ping: () => void, silent: () => void): { heard: () => void; stop: () => void } {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (unanswered++ === UNANSWERED_LIMIT) silent();
    ping();
  }, EVERY_MS);
  return {
    heard: () => {
      unanswered = 0;
    },
    stop: () => clearInterval(timer),
  };
}
