import type { Session } from "./options.js";

/** A session is renewed this long before it ends. */
const RENEW_BEFORE_MS = 60_000;
/** The soonest and the latest a renewal is tried. */
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
    // A date that cannot be read gives NaN, which Math.max and Math.min pass on: treat it as soon.
    this.#timer = setTimeout(() => void this.#renew(), Math.min(Math.max(wait || 0, SOONEST_MS), LATEST_MS));
  }
}
