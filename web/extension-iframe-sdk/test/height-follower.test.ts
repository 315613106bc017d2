import { expect, it } from "vitest";

import { HeightFollower } from "../src/height-follower.js";

/** Let a host grant every height within its limits; return the heights that are asked for, at most 100. */
function followed(documentHeight: (frame: number) => number, follower = new HeightFollower(), start = 150): number[] {
  const asked: number[] = [];
  let frame = start;
  while (asked.length < 100) {
    // The size of the document is reported, and then that of the frame.
    const height = follower.next(documentHeight(frame), frame) ?? follower.next(documentHeight(frame), frame);
    if (height === undefined) break;
    asked.push(height);
    frame = Math.min(Math.max(height, 100), 4000);
  }
  return asked;
}

it("asks once for content of a fixed height, whether it is higher or lower than the frame", () => {
  for (const height of [60, 100, 150, 151, 900, 4000, 9000]) expect(followed(() => height)).toEqual([height]);
});

it.each([0, 1, 16, 500])("ends for a page that is %i pixels higher than its frame", (extra) => {
  expect(followed((frame) => frame + extra).length).toBeLessThanOrEqual(3);
});

it.each([1.01, 1.2, 2])("ends for a page that is %f times as high as its frame", (factor) => {
  expect(followed((frame) => Math.ceil(frame * factor)).length).toBeLessThanOrEqual(3);
});

it("grows again when the content of such a page does", () => {
  const follower = new HeightFollower();
  const before = followed((frame) => frame + 16, follower);
  const frame = before.at(-1) ?? 0;
  expect(followed((height) => Math.max(height + 16, 2000), follower, frame)[0]).toBe(2000);
});

it("follows content that grows and shrinks", () => {
  const follower = new HeightFollower();
  let frame = 150;
  for (const height of [200, 1200, 1210, 300, 301, 120, 3999]) {
    const asked = followed(() => height, follower, frame);
    expect(asked).toEqual([height]);
    frame = height;
  }
});
