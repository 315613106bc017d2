/**
 * The shapes of all payloads, as JSON Schema. The guards check messages by these schemas, and
 * docs/reference/iframe-messages.schema.json is written from them.
 */

import type { FrameMessage, HostMessage } from "./messages.js";

/** The part of JSON Schema that the guards know (`schemaFits`). */
export interface Schema {
  readonly type: "object" | "string" | "number" | "boolean";
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: { readonly pattern: string };
  readonly additionalProperties?: Schema;
}

const text: Schema = { type: "string" };
const flag: Schema = { type: "boolean" };
const number: Schema = { type: "number" };

/** An object with these members; a name with `?` at its end may be absent. Unknown members are ignored. */
function object(members: Readonly<Record<string, Schema>>): Schema {
  const names = Object.keys(members);
  return {
    type: "object",
    properties: Object.fromEntries(Object.entries(members).map(([name, schema]) => [name.replace("?", ""), schema])),
    required: names.filter((name) => !name.endsWith("?")),
  };
}

function texts(names: string): Schema {
  return { type: "object", propertyNames: { pattern: names }, additionalProperties: text };
}

/**
 * A path that stays below any prefix that is written before it. It begins with exactly one slash and has no dot segments
 * (plain or encoded), no backslash, and no spaces or control characters (URL parsers drop or rewrite these).
 */
export const PATH: Schema = {
  type: "string",
  maxLength: 8192,
  pattern: "^(?!//)(?!(?:/[^/?#]*)*/(?:\\.|%2[eE]){1,2}(?:[/?#]|$))/[^\\u0000-\\u0020\\u007f\\\\]*$",
};

const theme = /* @__PURE__ */ texts("^[a-z0-9-]{1,64}$");
const headers = /* @__PURE__ */ texts("^[!#-'*+.^-z|~0-9A-Z-]{1,256}$");
const nothing = /* @__PURE__ */ object({});
const session = /* @__PURE__ */ object({ token: text, expires_at: text });

export const HOST_PAYLOADS: Readonly<Record<HostMessage["type"], Schema>> = {
  bootstrap: /* @__PURE__ */ object({
    "session?": session,
    theme_tokens: theme,
    navigation: /* @__PURE__ */ object({ path: text }),
  }),
  theme,
  apiproxy_response: /* @__PURE__ */ object({ status: number, headers, "body?": text, "error?": text }),
  confirm_response: /* @__PURE__ */ object({ confirmed: flag, "error?": text }),
  download_response: /* @__PURE__ */ object({ saved: flag, "error?": text }),
  ping: nothing,
};

export const FRAME_PAYLOADS: Readonly<Record<FrameMessage["type"], Schema>> = {
  ready: nothing,
  resize: /* @__PURE__ */ object({ height: number }),
  navigate: /* @__PURE__ */ object({ path: PATH }),
  apiproxy: /* @__PURE__ */ object({
    route: PATH,
    "method?": { type: "string", enum: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] },
    "headers?": headers,
    "body?": text,
  }),
  abort: nothing,
  notify: /* @__PURE__ */ object({ text, tone: { type: "string", enum: ["info", "success", "warning", "danger"] } }),
  confirm: /* @__PURE__ */ object({ text, confirm_label: text }),
  download: /* @__PURE__ */ object({ name: text, body: text }),
  pong: nothing,
};

/** Messages whose payload may be absent: pages built for AlgaPSA's SDK send `ready` without one. */
export const WITHOUT_PAYLOAD: readonly string[] = ["ready"];
