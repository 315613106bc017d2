import { afterEach, expect, it, vi } from "vitest";

import { freshenRandom } from "../src/fresh-random.js";

const own = Math.random;

afterEach(() => {
  Math.random = own;
  vi.unstubAllGlobals();
});

it("leaves engines alone that have a generator of their own", () => {
  freshenRandom("request");
  expect(Math.random).toBe(own);
});

it("draws other numbers for another request, all in [0, 1) and evenly", () => {
  vi.stubGlobal("wit", {});
  const first = draw("request-1", 20_000);
  const second = draw("request-2", 20_000);
  expect(first.slice(0, 8)).not.toEqual(second.slice(0, 8));
  for (const numbers of [first, second]) {
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, n) => sum + n) / numbers.length).toBeCloseTo(0.5, 1);
    expect(new Set(numbers).size).toBe(numbers.length);
  }
});

it("makes no seed before a number is drawn, and one seed only", () => {
  vi.stubGlobal("wit", {});
  const now = vi.spyOn(Date, "now").mockReturnValue(0);
  freshenRandom("request");
  expect(now).not.toHaveBeenCalled();
  const kept = Math.random; // a guest may keep the function
  expect(kept()).not.toBe(kept());
  expect(now).toHaveBeenCalledTimes(1);
  now.mockRestore();
});

function draw(requestId: string, count: number): number[] {
  freshenRandom(requestId);
  return Array.from({ length: count }, () => Math.random());
}
