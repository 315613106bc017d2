import { describe, expect, it } from "vitest";

import { HttpProblem } from "../src/problem.js";
import { bytes, empty, json } from "../src/response.js";
import { Router } from "../src/router.js";

const context = { tenantId: "tenant", extensionId: "extension", requestId: "request-1" };

function call(router: Router, method: string, url: string, body?: string) {
  const headers = [
    { name: "Content-Type", value: "text/plain" },
    { name: "x-many", value: "1" },
    { name: "X-Many", value: "2" },
  ];
  const raw = { method, url, headers, body: body === undefined ? undefined : new TextEncoder().encode(body) };
  const response = router.handler({ context, http: raw });
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers.map(({ name, value }) => [name, value])),
    text: new TextDecoder().decode(response.body ?? new Uint8Array()),
  };
}

describe("Router", () => {
  const router = new Router()
    .get("/", () => json("root"))
    .get("/notes/new", () => json("literal first"))
    .get("/notes/:id", (request) => json({ id: request.param("id"), q: request.query.get("q") ?? null }))
    .post("/notes", (request) => json(request.json(), { status: 201 }))
    .delete("/notes/:id", () => empty())
    .put("/echo", (request) => bytes(request.body, request.header("content-type") ?? ""))
    .get("/many", (request) => json(request.header("x-many")))
    .get("/refused", () => {
      throw new HttpProblem(409, "Not twice.");
    })
    .get("/defect", () => {
      throw new TypeError("a defect");
    });

  it("finds literal and named segments, the first match winning", () => {
    expect(call(router, "GET", "/").text).toBe('"root"');
    expect(call(router, "GET", "/notes/new").text).toBe('"literal first"');
    expect(JSON.parse(call(router, "GET", "/notes/a%2Fb%20c?q=1%3F2").text)).toEqual({ id: "a/b c", q: "1?2" });
  });

  it("answers HEAD as GET", () => {
    expect(call(router, "HEAD", "/notes/1").status).toBe(200);
  });

  it("passes bodies and joined headers", () => {
    expect(call(router, "PUT", "/echo", "Grüße")).toMatchObject({
      text: "Grüße",
      headers: { "content-type": "text/plain" },
    });
    expect(call(router, "GET", "/many").text).toBe('"1, 2"');
    expect(call(router, "POST", "/notes", '{"a":1}')).toMatchObject({ status: 201, text: '{"a":1}' });
    expect(call(router, "DELETE", "/notes/1")).toMatchObject({ status: 204, text: "" });
  });

  it("refuses what it does not know", () => {
    expect(call(router, "GET", "/nowhere").status).toBe(404);
    expect(call(router, "GET", "/notes/").status).toBe(404);
    expect(call(router, "PATCH", "/notes/1")).toMatchObject({ status: 405, headers: { allow: "GET, DELETE" } });
    expect(call(router, "GET", "/notes/%ff").status).toBe(400);
    expect(call(router, "POST", "/notes", "{").status).toBe(400);
  });

  it("turns a problem into problem+json and lets a defect through", () => {
    const refused = call(router, "GET", "/refused");
    expect(refused.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(refused.text)).toEqual({ type: "about:blank", status: 409, detail: "Not twice." });
    expect(() => call(router, "GET", "/defect")).toThrow("a defect");
  });
});
