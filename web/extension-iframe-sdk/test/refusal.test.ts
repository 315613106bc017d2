import { expect, it } from "vitest";

import { ApiResponse } from "../src/api-response.js";
import { toBase64 } from "../src/protocol/base64.js";
import { refusalOf } from "../src/refusal.js";

function answer(status: number, headers: Record<string, string>, body: string): ApiResponse {
  return new ApiResponse({ status, headers, body: toBase64(new TextEncoder().encode(body)) });
}

it("reads the platform's problem document", () => {
  const document = { code: "not_installed", detail: "It is not installed.", status: 404, request_id: "r-1" };

  expect(refusalOf(answer(404, { "x-request-id": "r-1" }, JSON.stringify(document)))).toEqual({
    status: 404,
    code: "not_installed",
    detail: "It is not installed.",
    requestId: "r-1",
  });
});

it("takes the request id of a problem document whose headers cannot be read", () => {
  expect(refusalOf(answer(404, {}, '{"request_id":"r-1"}')).requestId).toBe("r-1");
});

it.each([
  [413, "Request Entity Too Large"],
  [429, "Too Many Requests"],
  [503, "Service Unavailable"],
])("reads API Gateway's own %i", (status, message) => {
  expect(refusalOf(answer(status, { "apigw-requestid": "g-1" }, JSON.stringify({ message })))).toEqual({
    status,
    code: undefined,
    detail: message,
    requestId: "g-1",
  });
});

it.each(["", "<html>", "null", "[]", '"text"', '{"detail":5,"message":"","code":7}'])(
  "says the status when an answer in another form, %j, has no text",
  (body) => {
    expect(refusalOf(answer(502, {}, body))).toEqual({
      status: 502,
      code: undefined,
      detail: "The call was answered with status 502.",
      requestId: undefined,
    });
  },
);
