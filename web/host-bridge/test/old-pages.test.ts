import {
  type ApiProxyResponsePayload,
  fromBase64,
  message,
  THEME_TOKENS,
  toBase64,
} from "@alga/extension-iframe-sdk/protocol";
import { expect, it, vi } from "vitest";

import { fromOldPage, propertiesOf, sendToOldPage } from "../src/parts/old-pages.js";

const encoded = (text: string): string => toBase64(new TextEncoder().encode(text));

/** What such a page hears of an answer. */
function heard(answer: ApiProxyResponsePayload): unknown {
  const postMessage = vi.fn();
  sendToOldPage({ postMessage }, message("apiproxy_response", answer, "7"));
  return postMessage.mock.calls[0]?.[0];
}

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
  expect(fromOldPage(message("apiproxy", { route: "/x" }))).toMatchObject({ payload: { method: "POST" } });
  expect(fromOldPage(message("apiproxy", { route: "/x", method: "GET" }))).toMatchObject({
    payload: { method: "GET" },
  });
});

it.each([
  [{ status: 200, headers: {}, body: encoded("{}") }, { body: encoded("{}") }],
  [{ status: 204, headers: {} }, {}],
  [{ status: 404, headers: {}, body: encoded("not here") }, { error: "Proxy error 404: not here" }],
  [{ status: 500, headers: {} }, { error: "Proxy error 500: " }],
  [{ status: 429, headers: {}, error: "too_many_calls" }, { error: "Proxy error 429: too_many_calls" }],
])("answers %j", (answer, expected) => {
  expect(heard(answer)).toEqual(message("apiproxy_response", expected, "7"));
});

it("tells the text of an error as UTF-8", () => {
  expect(heard({ status: 400, headers: {}, body: encoded("Größe") })).toMatchObject({
    payload: { error: "Proxy error 400: Größe" },
  });
  expect(fromBase64(encoded("ö"))).toHaveLength(2);
});
