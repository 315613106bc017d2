import { describe, expect, it } from "vitest";

import { headerList } from "../src/header-fields.js";
import { FetchResponse } from "../src/host/fetch-response.js";

describe("the headers of an answer", () => {
  const fields = [
    { name: "Link", value: "</a>" },
    { name: "set-cookie", value: "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT" },
    { name: "link", value: "</b>" },
    { name: "Set-Cookie", value: "b=2" },
    { name: "x-once", value: "1" },
  ];
  const response = new FetchResponse(200, fields, new Uint8Array());

  it("keeps every value of a header that comes twice", () => {
    expect(response.headerValues("Set-Cookie")).toEqual(["a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT", "b=2"]);
    expect(response.headerValues("link")).toEqual(["</a>", "</b>"]);
  });

  it("joins them in the map", () => {
    expect([...response.headers]).toEqual([
      ["link", "</a>, </b>"],
      ["set-cookie", "a=1; Expires=Wed, 01 Jan 2031 00:00:00 GMT, b=2"],
      ["x-once", "1"],
    ]);
  });

  it("has no values for a header that did not come", () => {
    expect(response.headerValues("x-other")).toEqual([]);
    expect(response.headers.get("x-other")).toBeUndefined();
  });
});

describe("headers to send", () => {
  it("are sent once for each value", () => {
    expect(headerList({ link: ["</a>", "</b>"], etag: '"1"', none: [] })).toEqual([
      { name: "link", value: "</a>" },
      { name: "link", value: "</b>" },
      { name: "etag", value: '"1"' },
    ]);
  });
});
