import { expect, it } from "vitest";

import { fromBase64, toBase64 } from "../src/protocol/index.js";

it.each([0, 1, 2, 3, 255, 100_000])("brings back %i bytes", (length) => {
  const bytes = Uint8Array.from({ length }, (_, at) => (at * 31) & 0xff);
  expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString("base64"));
  expect(Buffer.from(fromBase64(toBase64(bytes))).equals(bytes)).toBe(true);
});
