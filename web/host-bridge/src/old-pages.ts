/** What pages built for AlgaPSA's iframe SDK expect (CONTRACT 7.1): translations of messages, as pure functions. */

import {
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  fromBase64,
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

/** Return the theme as CSS custom properties. */
export function propertiesOf(theme: ThemeTokens): Record<string, string> {
  const derived = Object.entries(DERIVED).map(([name, token]) => [name, theme[token]] as const);
  return Object.fromEntries(
    [...derived, ...Object.entries(theme)]
      .filter(([name, value]) => value !== undefined && !UNKNOWN_THERE.includes(name))
      .map(([name, value]) => [`--alga-${name}`, value as string]),
  );
}

/** Return the call that such a page means: it is POST when no method is named. */
export function callOf(payload: ApiProxyPayload): ApiProxyPayload {
  return { method: "POST", ...payload };
}

/** Return an answer for such a page. It would take the body of any answer without `error` for a success. */
export function answerOf({ status, body, error }: ApiProxyResponsePayload): { body?: string; error?: string } {
  const text = error ?? (body === undefined ? "" : new TextDecoder().decode(fromBase64(body)));
  if (error !== undefined || status >= 400) return { error: `Proxy error ${status}: ${text}` };
  return body === undefined ? {} : { body };
}
