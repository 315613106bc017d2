// @ts-check
import { bytes, config, json, log, Router } from "@alga/extension-runtime";

// Every call runs in a fresh instance, so what a module remembers is gone with the call. Keep state in storage.
let calls = 0;

const router = new Router()
  .get("/hello", (request) => {
    const name = request.query.get("name") ?? "world";
    const greeting = config.get("greeting") ?? "Hello";
    log.info(`greeting ${name}`);
    return json({
      greeting: `${greeting}, ${name}!`,
      tenant: request.context.tenantId,
      request_id: request.context.requestId ?? null,
    });
  })
  .get("/count", () => {
    calls += 1;
    return json({ count: calls });
  })
  .post("/echo", (request) => bytes(request.body, request.header("content-type") ?? "application/octet-stream"));

export const handler = router.handler;
