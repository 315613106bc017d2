// @ts-check
import { bytes, empty, json, problem, Request, Router } from "@alga/extension-runtime";

import { fromBase64 } from "./base64.js";
import { callHost } from "./host.js";
import { toJson } from "./values.js";

let calls = 0;

/**
 * @param {Request} request
 * @param {string} name
 * @returns {number | undefined}
 */
function numberFrom(request, name) {
  const text = request.query.get(name);
  return text === undefined ? undefined : Number(text);
}

/** @param {Request} request */
function argumentsOf(request) {
  return request.body.length === 0 ? [] : /** @type {unknown[]} */ (request.json());
}

/** @param {number | undefined} ms */
function spin(ms) {
  const end = ms === undefined ? Infinity : Date.now() + ms;
  let turns = 0;
  while (Date.now() < end) turns++;
  return turns;
}

/** @param {number | undefined} mib */
function allocate(mib) {
  const kept = [];
  while (mib === undefined || kept.length < mib) kept.push(new Uint8Array(1024 * 1024).fill(1));
  return kept.length;
}

const router = new Router()
  .post("/call/:interface/:function", (request) => {
    return json(callHost(request.param("interface"), request.param("function"), argumentsOf(request)));
  })
  .post("/repeat/:interface/:function", (request) => {
    let last;
    for (let left = numberFrom(request, "times") ?? 1; left > 0; left--) {
      last = callHost(request.param("interface"), request.param("function"), argumentsOf(request));
    }
    return json(last);
  })
  .post("/echo", (request) => bytes(request.body, request.header("content-type") ?? "application/octet-stream"))
  .get("/headers", (request) => json(request.headers()))
  .get("/status/:status", (request) => empty(Number(request.param("status"))))
  .get("/bytes", (request) => bytes(new Uint8Array(numberFrom(request, "size") ?? 0).fill(0x61), "text/plain"))
  .get("/count", () => json({ count: ++calls }))
  .get("/clock", () => json({ now_ms: Date.now() }))
  .get("/random", () => json({ values: [Math.random(), Math.random()] }))
  .get("/throw", (request) => {
    throw new Error(request.query.get("message") ?? "thrown on purpose");
  })
  .get("/spin", (request) => json({ turns: spin(numberFrom(request, "ms")) }))
  .get("/alloc", (request) => json({ allocated_mib: allocate(numberFrom(request, "mib")) }))
  .get("/recurse", () => json({ depth: depth() }));

/** @returns {number} */
function depth() {
  return 1 + depth();
}

for (const only of ["/sleep", "/print", "/environment", "/network"]) {
  router.get(only, () => problem(501, "The engine has no such thing."));
}

/** @param {[name: string, value: string][]} pairs */
function headerList(pairs) {
  return pairs.map(([name, value]) => ({ name, value }));
}

/** @param {import("alga:extension/types").ExecuteRequest} request */
export function handler(request) {
  const { path } = new Request(request);
  // These two show and make what the router would tidy up.
  if (path === "/request" || path.startsWith("/request/")) {
    const { status, headers, body } = json(toJson(request));
    return { status, headers: headerList(Object.entries(headers).map(([name, value]) => [name, String(value)])), body };
  }
  if (path === "/respond") {
    const { status, headers, body } = /** @type {any} */ (new Request(request).json());
    return { status, headers: headerList(headers), body: body === null ? undefined : fromBase64(body.$bytes) };
  }
  return router.handler(request);
}
