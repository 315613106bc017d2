import { expect, it } from "vitest";

import { Query } from "../src/query.js";

it("decodes names and values, and keeps the order of several", () => {
  const query = new Query("a=1&b=x+y%26z&a=2&flag&=empty");
  expect(query.get("a")).toBe("1");
  expect(query.all("a")).toEqual(["1", "2"]);
  expect(query.get("b")).toBe("x y&z");
  expect(query.get("flag")).toBe("");
  expect(query.names()).toEqual(["a", "b", "flag", ""]);
});

it("answers nothing for a name that is not there", () => {
  expect(new Query("").get("a")).toBeUndefined();
  expect(new Query("").all("__proto__")).toEqual([]);
});

it("leaves broken percent-encoding as it is", () => {
  expect(new Query("a=100%&b=%ff").get("a")).toBe("100%");
  expect(new Query("a=100%&b=%ff").get("b")).toBe("%ff");
});
