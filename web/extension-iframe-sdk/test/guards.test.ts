import { describe, expect, it } from "vitest";

import { isFrameMessage, isHostMessage, isPath, message } from "../src/protocol/index.js";

describe("isPath", () => {
  it.each(["/", "/notes", "/notes/1?q=a/../b", "/a..b", "/...", "/%41", "/notes/#x", "/a//b"])("takes %s", (path) => {
    expect(isPath(path)).toBe(true);
  });

  it.each([
    "",
    "notes",
    "//evil.example",
    "/\\evil.example",
    "/..",
    "/../other",
    "/a/./b",
    "/a/%2e%2E/b",
    "/a/.%2e",
    "/\t/evil",
    "/a\n",
    "/a b",
    "https://evil.example/",
    `/${"a".repeat(9000)}`,
    7,
    null,
  ])("refuses %j", (path) => {
    expect(isPath(path)).toBe(false);
  });
});

describe("the envelope", () => {
  const ready = message("ready", {});

  it("takes whole messages of the right direction only", () => {
    expect(isFrameMessage(ready)).toBe(true);
    expect(isHostMessage(ready)).toBe(false);
    expect(isHostMessage(message("theme", { "color-text": "#000" }))).toBe(true);
    expect(isFrameMessage(message("theme", {}))).toBe(false);
  });

  it.each([
    undefined,
    null,
    "ready",
    [],
    { ...ready, alga: "true" },
    { ...ready, version: 1 },
    { ...ready, version: "2" },
    { ...ready, type: "unknown" },
    { ...ready, type: "__proto__" },
    { ...ready, request_id: 1 },
    { ...ready, payload: undefined },
  ])("refuses %j", (value) => {
    expect(isFrameMessage(value)).toBe(false);
  });
});

describe("payloads", () => {
  it.each([
    message("resize", { height: "100" }),
    message("resize", { height: NaN }),
    message("resize", { height: Infinity }),
    message("navigate", { path: "//evil.example" }),
    message("apiproxy", {}),
    message("apiproxy", { route: "/../other" }),
    message("apiproxy", { route: "/notes", method: "TRACE" }),
    message("apiproxy", { route: "/notes", method: "get" }),
    message("apiproxy", { route: "/notes", body: new Uint8Array() }),
  ])("from the frame: refuses %j", (value) => {
    expect(isFrameMessage(value)).toBe(false);
  });

  const state = { theme_tokens: {}, navigation: { path: "/" } };

  it.each([
    message("bootstrap", {}),
    message("bootstrap", { ...state, session: "token" }),
    message("bootstrap", { ...state, session: { token: 1, expires_at: "" } }),
    message("bootstrap", { ...state, theme_tokens: { "Color Text": "red" } }),
    message("bootstrap", { ...state, navigation: {} }),
    message("theme", { "color-text": 1 }),
    message("apiproxy_response", { status: "200", headers: {} }),
    message("apiproxy_response", { status: 200 }),
    message("apiproxy_response", { status: 200, headers: {}, error: {} }),
  ])("from the host: refuses %j", (value) => {
    expect(isHostMessage(value)).toBe(false);
  });

  it("takes a first bootstrap without a session and a later one with it", () => {
    expect(isHostMessage(message("bootstrap", state))).toBe(true);
    expect(
      isHostMessage(message("bootstrap", { ...state, session: { token: "t", expires_at: "2030-01-01T00:00:00Z" } })),
    ).toBe(true);
  });
});
