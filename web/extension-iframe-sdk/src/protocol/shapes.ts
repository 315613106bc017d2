/**
 * The shapes of all payloads. The guards check messages by them, and docs/reference/iframe-messages.schema.json is written
 * from them.
 */

import type { FrameMessage, HostMessage } from "./messages.js";

/**
 * - The name of a type. A number must be finite: messages can carry NaN, and JSON cannot.
 * - An expression: a text that it matches.
 * - A list of one expression: an object of texts, whose names it matches.
 * - An object: its members, in which a name with `?` at its end may be absent. Unknown members are ignored.
 */
export type Shape = "string" | "number" | "boolean" | RegExp | readonly [RegExp] | { readonly [member: string]: Shape };

/**
 * A path that stays below any prefix that is written before it, of at most 8192 characters. It begins with exactly one
 * slash and has no dot segments (plain or encoded), no backslash, and no spaces or control characters (URL parsers drop or
 * rewrite these).
 */
export const PATH =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression refuses control characters
  /^(?![\s\S]{8193})(?!\/\/)(?!(?:\/[^/?#]*)*\/(?:\.|%2[eE]){1,2}(?:[/?#]|$))\/[^\u0000-\u0020\u007f\\]*$/;

const theme = [/^[a-z0-9-]{1,64}$/] as const;
const headers = [/^[!#-'*+.^-z|~0-9A-Z-]{1,256}$/] as const;

export const HOST_PAYLOADS: Readonly<Record<HostMessage["type"], Shape>> = {
  bootstrap: {
    "session?": { token: "string", expires_at: "string" },
    theme_tokens: theme,
    navigation: { path: "string" },
  },
  theme,
  apiproxy_response: { status: "number", headers, "body?": "string", "error?": "string" },
  confirm_response: { confirmed: "boolean", "error?": "string" },
  download_response: { saved: "boolean", "error?": "string" },
  ping: {},
};

export const FRAME_PAYLOADS: Readonly<Record<FrameMessage["type"], Shape>> = {
  ready: {},
  resize: { height: "number" },
  navigate: { path: PATH },
  apiproxy: {
    route: PATH,
    "method?": /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/,
    "headers?": headers,
    "body?": "string",
  },
  abort: {},
  notify: { text: "string", tone: /^(info|success|warning|danger)$/ },
  confirm: { text: "string", confirm_label: "string" },
  download: { name: "string", body: "string" },
  pong: {},
};

/** The message whose payload may be absent: pages built for AlgaPSA's SDK send it without one. */
export const WITHOUT_PAYLOAD = "ready";
