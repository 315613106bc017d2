import Ajv2020 from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";

import { isFrameMessage, isHostMessage, isPath, message } from "../src/protocol/index.js";
import { messageSchema } from "../src/protocol/message-schema.js";
import { INVALID, VALID } from "./message-vectors.js";

const GUARDS = { host: isHostMessage, frame: isFrameMessage };

describe("isPath", () => {
  it.each(["/", "/notes", "/notes/1?q=a/../b", "/a..b", "/...", "/%41", "/notes/#x", "/a//b", `/${"a".repeat(8191)}`])(
    "takes %s",
    (path) => {
      expect(isPath(path)).toBe(true);
    },
  );

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
    "/a/..?x",
    "/a/.#x",
    "/\t/evil",
    "/a\n",
    "/a b",
    "https://evil.example/",
    `/${"a".repeat(8192)}`,
    7,
    null,
  ])("refuses %j", (path) => {
    expect(isPath(path)).toBe(false);
  });

  it("decides about a long path with many slashes at once", () => {
    expect(isPath("/a".repeat(4096))).toBe(true);
  });
});

const schema = messageSchema() as object;

describe.each(["host", "frame"] as const)("messages of the %s", (side) => {
  const published = new Ajv2020().compile({ ...schema, anyOf: [{ $ref: `#/$defs/${side}` }] });

  it.each(Object.entries(VALID[side]))("takes %s", (_, value) => {
    expect([GUARDS[side](value), published(JSON.parse(JSON.stringify(value)))]).toEqual([true, true]);
  });

  it.each(Object.entries(INVALID[side]))("refuses %s", (_, value) => {
    expect([GUARDS[side](value), published(value)]).toEqual([false, false]);
  });
});

it("the published schema is the one of the sources (npm run schema writes it)", async () => {
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
    "../../../docs/reference/iframe-messages.schema.json",
  );
});

it.each([Number.NaN, Infinity])("a number that JSON does not have, %f, is refused", (height) => {
  expect(isFrameMessage(message("resize", { height }))).toBe(false);
});

it("an optional member may be undefined, and a required one may not", () => {
  expect(isFrameMessage(message("apiproxy", { route: "/x", body: undefined }))).toBe(true);
  expect(isFrameMessage(message("apiproxy", { route: undefined }))).toBe(false);
});

it.each([
  ["bytes", new Uint8Array(1)],
  ["a map", new Map()],
  ["a date", new Date()],
  ["null", null],
])("%s are no object of texts", (_, headers) => {
  expect(isFrameMessage(message("apiproxy", { route: "/x", headers }))).toBe(false);
});
