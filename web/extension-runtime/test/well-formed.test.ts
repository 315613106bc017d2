import { expect, it } from "vitest";

import { isAsync, isPromise } from "../src/promises.js";
import { wellFormed } from "../src/well-formed.js";

it("replaces lone surrogates in every string and keeps everything else", () => {
  const bytes = new Uint8Array([0xd8]);
  const given = { a: "\ud800", b: ["x\udc00", "\u{1f600}", 1, null, undefined], c: bytes, d: { e: true, f: 2n } };
  const fixed = wellFormed(given);
  expect(fixed).toEqual({
    a: "\ufffd",
    b: ["x\ufffd", "\u{1f600}", 1, null, undefined],
    c: bytes,
    d: { e: true, f: 2n },
  });
  expect(fixed.c).toBe(bytes);
  expect(given.a).toBe("\ud800");
});

it("keeps a member named __proto__ a member", () => {
  const fixed = wellFormed(JSON.parse('{"__proto__": {"a": "\\ud800"}}'));
  expect(Object.getPrototypeOf(fixed)).toBe(Object.prototype);
  expect(JSON.stringify(fixed)).toBe('{"__proto__":{"a":"\ufffd"}}');
});

it("tells promises and async functions from others", () => {
  expect(isPromise(Promise.resolve())).toBe(true);
  expect([null, undefined, 1, {}, () => undefined].some(isPromise)).toBe(false);
  expect(isAsync(async () => undefined)).toBe(true);
  expect([() => Promise.resolve(), undefined, {}].some(isAsync)).toBe(false);
});
