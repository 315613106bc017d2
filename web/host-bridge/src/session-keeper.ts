import type { Session } from "./options.js";

/** How long before its end a session is renewed. */
const RENEW_BEFORE_MS = 60_000;
/** The shortest and the longest time to the next renewal. */
const SOONEST_MS = 5_000;
const LATEST_MS = 15 * 60_000;

/** Fetches a session and renews it until it is stopped. */
export class SessionKeeper {
  readonly #fetch: () => Promise<Session>;
  readonly #deliver: (session: Session) => void;
  readonly #fail: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(fetch: () => Promise<Session>, deliver: (session: Session) => void, fail: (error: unknown) => void) {
    this.#fetch = fetch;
    this.#deliver = deliver;
    this.#fail = fail;
  }

  start(): void {
    void this.#renew();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #renew(): Promise<void> {
    let wait = SOONEST_MS;
    try {
      const session = await this.#fetch();
      if (this.#stopped) return;
      this.#deliver(session);
      wait = Date.parse(session.expires_at) - Date.now() - RENEW_BEFORE_MS;
    } catch (error) {
      if (this.#stopped) return;
      this.#fail(error);
    }
    // An invalid date gives NaN, which Math.max and Math.min would return: use the shortest time instead.
    this.#timer = setTimeout(() => void this.#renew(), Math.min(Math.max(wait || 0, SOONEST_MS), LATEST_MS));
  }
}
