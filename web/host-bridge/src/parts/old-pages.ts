/** What pages built for AlgaPSA's iframe SDK say and expect (CONTRACT 7.1): translations of messages, as pure functions. */

import {
  type ApiProxyResponsePayload,
  type FrameMessage,
  fromBase64,
  type HostMessage,
  message,
  type ThemeToken,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

/** Properties of such pages that are not theme tokens here, and the token whose value each gets. */
const DERIVED: Readonly<Record<string, ThemeToken>> = {
  "primary-light": "primary-soft",
  "primary-dark": "primary",
  "danger-dark": "danger",
  "row-even": "card-bg",
  "row-odd": "bg",
  "row-hover": "muted",
};
const UNKNOWN_THERE = ["font-family", "font-size", "color-scheme"];
/** They read the session's members, so it is there. Its end is in the year 9999. */
const EMPTY_SESSION = { token: "", expires_at: "9999-12-31T23:59:59Z" };

/** Return what a message of such a page means; `undefined` if it cannot ask for that. A call is POST when no method is named. */
export function fromOldPage(said: FrameMessage): FrameMessage | undefined {
  if (said.type === "apiproxy") return { ...said, payload: { method: "POST", ...said.payload } };
  return said.type === "resize" || said.type === "navigate" ? said : undefined;
}

/** Return a message as such a page expects it; `undefined` if it knows no such message. */
export function forOldPage({ type, payload, request_id: id }: HostMessage): unknown {
  if (type === "bootstrap") {
    return message(type, { ...payload, session: EMPTY_SESSION, theme_tokens: propertiesOf(payload.theme_tokens) });
  }
  if (type === "theme") return message(type, propertiesOf(payload));
  return type === "apiproxy_response" ? message(type, answerOf(payload), id) : undefined;
}

/** Send such a page a message, as it expects it. An opaque origin cannot be named: whichever page is in the window gets it. */
export function sendToOldPage(frame: Pick<Window, "postMessage"> | null, sent: HostMessage): void {
  const translated = forOldPage(sent);
  if (translated !== undefined) frame?.postMessage(translated, "*");
}

/** Return the theme as CSS custom properties. */
export function propertiesOf(theme: ThemeTokens): Record<string, string> {
  const derived = Object.entries(DERIVED).map(([name, token]) => [name, theme[token]] as const);
  return Object.fromEntries(
    [...derived, ...Object.entries(theme)]
      .filter(([name, value]) => value !== undefined && !UNKNOWN_THERE.includes(name))
      .map(([name, value]) => [`--alga-${name}`, value as string]),
  );
}

/** Return an answer for such a page. It would take the body of any answer without `error` for a success. */
function answerOf({ status, body, error }: ApiProxyResponsePayload): { body?: string; error?: string } {
  const text = error ?? (body === undefined ? "" : new TextDecoder().decode(fromBase64(body)));
  if (error !== undefined || status >= 400) return { error: `Proxy error ${status}: ${text}` };
  return body === undefined ? {} : { body };
}
