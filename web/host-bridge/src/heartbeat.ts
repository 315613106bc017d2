const EVERY_MS = 5_000;
/** After so many unanswered pings the page counts as silent. Times are not compared: a suspended tab is not a silence. */
const UNANSWERED_LIMIT = 3;

/** Finds a page that does not answer any more. A port tells nothing when the document at its other end is gone. */
export class Heartbeat {
  readonly #timer: ReturnType<typeof setInterval>;
  #unanswered = 0;

  constructor(ping: () => void, silent: () => void) {
    this.#timer = setInterval(() => {
      if (this.#unanswered++ === UNANSWERED_LIMIT) silent();
      ping();
    }, EVERY_MS);
  }

  heard(): void {
    this.#unanswered = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
