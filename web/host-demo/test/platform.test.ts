import { afterEach, describe, expect, it, vi } from "vitest";

import { Platform, Refusal } from "../src/platform.js";

afterEach(() => vi.unstubAllGlobals());

/** Read the menu of a platform that refuses with this body; the refusal. */
async function refused(status: number, body: string): Promise<Refusal> {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status })));
  const error: unknown = await new Platform("token").menu().catch((reason: unknown) => reason);
  if (!(error instanceof Refusal)) throw new Error("the platform did not refuse", { cause: error });
  return error;
}

describe("a refused request", () => {
  it("shows the detail of a problem document", async () => {
    const body = JSON.stringify({ title: "No", status: 403, detail: "The caller may not do this." });
    expect(await refused(403, body)).toMatchObject({ status: 403, message: "The caller may not do this." });
  });

  it.each([
    [413, "Request Entity Too Large"],
    [429, "Too Many Requests"],
    [503, "Service Unavailable"],
  ])("shows the message of API Gateway's own %i", async (status, message) => {
    expect(await refused(status, JSON.stringify({ message }))).toMatchObject({ status, message });
  });

  it.each(["", "<html></html>", "null", "[]", '{"message": 5}', '{"detail": ""}'])(
    "says the status for a body in another form: %s",
    async (body) => {
      expect(await refused(502, body)).toMatchObject({ status: 502, message: "The platform answered 502." });
    },
  );
});
