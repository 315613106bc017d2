/** The session that a host gives to a page. It is loaded if the host gives one. */

import type { LinkOptions, Session } from "../options.js";

/** How long before its end a session is renewed. */
const RENEW_BEFORE_MS = 60_000;
/** The shortest and the longest time to the next renewal. */
const SOONEST_MS = 5_000;
const LATEST_MS = 15 * 60_000;

/** Fetch a session, and renew it until the document is gone. A session that cannot be fetched is tried again. */
export function keepSession(
  fetch: () => Promise<Session>,
  gone: AbortSignal,
  onError: LinkOptions["onError"],
  deliver: (session: Session) => void,
): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  gone.addEventListener("abort", () => clearTimeout(timer));
  const renew = async (): Promise<void> => {
    let wait = SOONEST_MS;
    try {
      const session = await fetch();
      if (gone.aborted) return;
      deliver(session);
      wait = Date.parse(session.expires_at) - Date.now() - RENEW_BEFORE_MS;
    } catch (error) {
      if (gone.aborted) return;
      onError?.(error);
    }
    // An invalid date gives NaN, which Math.max and Math.min would return: use the shortest time instead.
    timer = setTimeout(renew, Math.min(Math.max(wait || 0, SOONEST_MS), LATEST_MS));
  };
  if (!gone.aborted) void renew();
}
