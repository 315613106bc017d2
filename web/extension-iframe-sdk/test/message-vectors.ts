/** Messages of both sides, valid and invalid. All are JSON, so that the published schema can be tried with them too. */

import { message } from "../src/protocol/index.js";

type Vectors = Readonly<Record<string, unknown>>;

const state = { theme_tokens: {}, navigation: { path: "/" } };
const session = { token: "", expires_at: "2030-01-01T00:00:00Z" };
const ready = message("ready", {});

export const VALID: Readonly<Record<"host" | "frame", Vectors>> = {
  host: {
    "bootstrap without a session": message("bootstrap", state),
    "bootstrap with a session": message("bootstrap", { ...state, session }),
    "bootstrap with a theme": message("bootstrap", { ...state, theme_tokens: { bg: "#fff", "font-family": "serif" } }),
    theme: message("theme", { primary: "rgb(0 0 0 / 50%)" }),
    "theme without tokens": message("theme", {}),
    "theme with a token of a later version": message("theme", { "some-later-token": "1px" }),
    "apiproxy_response without a body": message("apiproxy_response", { status: 204, headers: {} }, "1"),
    "apiproxy_response with a body": message(
      "apiproxy_response",
      { status: 200, headers: { etag: '"a"' }, body: "e30=" },
      "1",
    ),
    "apiproxy_response with an error": message(
      "apiproxy_response",
      { status: 429, headers: {}, error: "too_many_calls" },
      "1",
    ),
    confirm_response: message("confirm_response", { confirmed: true }, "1"),
    "confirm_response with an error": message("confirm_response", { confirmed: false, error: "busy" }, "1"),
    download_response: message("download_response", { saved: false }, "1"),
    ping: message("ping", {}),
  },
  frame: {
    ready,
    "ready without a payload": { alga: true, version: "1", type: "ready" },
    "ready with an unknown member": { ...ready, added: 1, payload: { added: 1 } },
    resize: message("resize", { height: 640.5 }),
    navigate: message("navigate", { path: "/notes/1?x=a/../b#c" }),
    "apiproxy with a route alone": message("apiproxy", { route: "/notes" }, "1"),
    "apiproxy with everything": message(
      "apiproxy",
      { route: "/notes", method: "PUT", headers: { "If-Match": '"1"' }, body: "e30=" },
      "1",
    ),
    abort: message("abort", {}, "1"),
    notify: message("notify", { text: "Saved", tone: "success" }),
    confirm: message("confirm", { text: "Delete it?", confirm_label: "Delete" }, "1"),
    download: message("download", { name: "notes.csv", body: "YQ==" }, "1"),
    pong: message("pong", {}),
  },
};

export const INVALID: Readonly<Record<"host" | "frame", Vectors>> = {
  host: {
    "a message of the frame": ready,
    "bootstrap without a payload": { alga: true, version: "1", type: "bootstrap" },
    "bootstrap without members": message("bootstrap", {}),
    "bootstrap whose session is text": message("bootstrap", { ...state, session: "token" }),
    "bootstrap whose token is a number": message("bootstrap", { ...state, session: { token: 1, expires_at: "" } }),
    "bootstrap with a name that is no token": message("bootstrap", { ...state, theme_tokens: { "Color Text": "red" } }),
    "bootstrap without a path": message("bootstrap", { ...state, navigation: {} }),
    "theme with a number": message("theme", { bg: 1 }),
    "theme that is a list": message("theme", ["red"]),
    "theme with __proto__": JSON.parse('{"alga":true,"version":"1","type":"theme","payload":{"__proto__":"x"}}'),
    "apiproxy_response whose status is text": message("apiproxy_response", { status: "200", headers: {} }),
    "apiproxy_response without headers": message("apiproxy_response", { status: 200 }),
    "apiproxy_response whose error is an object": message("apiproxy_response", { status: 200, headers: {}, error: {} }),
    "confirm_response whose answer is text": message("confirm_response", { confirmed: "true" }),
  },
  frame: {
    "a message of the host": message("theme", {}),
    "no object": "ready",
    null: null,
    "a list": [],
    "an envelope that says alga as text": { ...ready, alga: "true" },
    "a version that is a number": { ...ready, version: 1 },
    "another version": { ...ready, version: "2" },
    "an unknown type": { ...ready, type: "unknown" },
    "a type from the prototype": { ...ready, type: "constructor" },
    "a type that is __proto__": { ...ready, type: "__proto__" },
    "a request id that is a number": { ...ready, request_id: 1 },
    "ready whose payload is null": { ...ready, payload: null },
    "resize without a payload": { alga: true, version: "1", type: "resize" },
    "resize with text": message("resize", { height: "100" }),
    "navigate to another host": message("navigate", { path: "//evil.example" }),
    "apiproxy without a route": message("apiproxy", {}),
    "apiproxy above the extension": message("apiproxy", { route: "/../other" }),
    "apiproxy with an unknown method": message("apiproxy", { route: "/notes", method: "TRACE" }),
    "apiproxy with a method in lower case": message("apiproxy", { route: "/notes", method: "get" }),
    "apiproxy with a body that is not text": message("apiproxy", { route: "/notes", body: [1, 2] }),
    "apiproxy with a header that is a list": message("apiproxy", { route: "/notes", headers: { a: ["b"] } }),
    "apiproxy with a header name that has a space": message("apiproxy", { route: "/notes", headers: { "a b": "c" } }),
    "notify with an unknown tone": message("notify", { text: "Hello", tone: "blinking" }),
    "confirm without a label": message("confirm", { text: "Sure?" }),
    "download without a body": message("download", { name: "a" }),
  },
};
