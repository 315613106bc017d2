import { fromBase64, THEME_TOKENS, toBase64 } from "@alga/extension-iframe-sdk/protocol";
import { expect, it } from "vitest";

import { answerOf, callOf, propertiesOf } from "../src/old-pages.js";

const encoded = (text: string): string => toBase64(new TextEncoder().encode(text));

it("gives such pages the properties that they know, and no others", () => {
  const theme = Object.fromEntries(THEME_TOKENS.map((name) => [name, `value of ${name}`]));
  expect(Object.keys(propertiesOf(theme)).sort()).toEqual(
    [
      ..."bg fg muted muted-fg border border-light card-bg primary primary-foreground primary-soft primary-soft-fg".split(
        " ",
      ),
      ..."primary-light primary-dark secondary secondary-foreground accent accent-foreground danger danger-dark".split(
        " ",
      ),
      ..."success warning ring radius row-even row-odd row-hover".split(" "),
    ]
      .map((name) => `--alga-${name}`)
      .sort(),
  );
});

it("leaves out what the theme does not have", () => {
  expect(propertiesOf({ primary: "blue" })).toEqual({ "--alga-primary": "blue", "--alga-primary-dark": "blue" });
});

it("makes a call POST when no method is named", () => {
  expect(callOf({ route: "/x" }).method).toBe("POST");
  expect(callOf({ route: "/x", method: "GET" }).method).toBe("GET");
});

it.each([
  [{ status: 200, headers: {}, body: encoded("{}") }, { body: encoded("{}") }],
  [{ status: 204, headers: {} }, {}],
  [{ status: 404, headers: {}, body: encoded("not here") }, { error: "Proxy error 404: not here" }],
  [{ status: 500, headers: {} }, { error: "Proxy error 500: " }],
  [{ status: 429, headers: {}, error: "too_many_calls" }, { error: "Proxy error 429: too_many_calls" }],
])("answers %j", (answer, expected) => {
  expect(answerOf(answer)).toEqual(expected);
});

it("tells the text of an error as UTF-8", () => {
  expect(answerOf({ status: 400, headers: {}, body: encoded("Größe") }).error).toBe("Proxy error 400: Größe");
  expect(fromBase64(encoded("ö"))).toHaveLength(2);
});
