import { describe, expect, it } from "vitest";

import { decodeUtf8, encodeUtf8 } from "../src/utf8.js";

// The platform's own coders are the measure: what they say for any input, ours must say.
const TEXTS = [
  "",
  "plain",
  "Grüße",
  "日本語",
  "😀🏳️‍🌈",
  "a\ud800b",
  "\udc00",
  "\ud83d",
  "\u{10ffff}",
  "x".repeat(20_000),
];
const BYTES = [
  [],
  [0x41, 0xc3],
  [0xc3, 0x28],
  [0xe2, 0x82],
  [0xe2, 0x28, 0xa1],
  [0xf0, 0x9f, 0x98],
  [0xf0, 0x28, 0x8c, 0xbc],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xff, 0xfe, 0x41],
  [0x80, 0x80],
  [0xe0, 0x80, 0x80],
];

describe("encodeUtf8", () => {
  it.each(TEXTS)("agrees with TextEncoder on %j", (text) => {
    expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
  });
});

describe("decodeUtf8", () => {
  it.each(TEXTS)("brings back %j", (text) => {
    const bytes = new TextEncoder().encode(text);
    expect(decodeUtf8(bytes)).toBe(new TextDecoder().decode(bytes));
  });

  it.each(BYTES.map((bytes) => [bytes]))("agrees with TextDecoder on broken %j", (bytes) => {
    const broken = Uint8Array.from(bytes);
    expect(decodeUtf8(broken)).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(broken));
  });

  it("agrees with TextDecoder on random bytes", () => {
    let state = 12345;
    for (let round = 0; round < 2000; round++) {
      const bytes = Uint8Array.from({ length: 12 }, () => {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        return (state >>> 16) & 0xff;
      });
      expect(decodeUtf8(bytes)).toBe(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
    }
  });

  it("refuses broken bytes when fatal", () => {
    expect(() => decodeUtf8(Uint8Array.of(0xc3), true)).toThrow(TypeError);
  });
});
