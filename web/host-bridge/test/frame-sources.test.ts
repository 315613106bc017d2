import { expect, it } from "vitest";

import { frameSourcesAre } from "../src/parts/checks.js";

const UI = "https://ui.example";

it.each([
  `frame-src ${UI}`,
  `default-src 'self'; frame-src ${UI}; object-src 'none'`,
  `FRAME-SRC  HTTPS://UI.EXAMPLE/ ;`,
  `frame-src ${UI} https://ui2.example`,
])("accepts %s", (policy) => {
  expect(frameSourcesAre(policy, [UI, "https://ui2.example"])).toBe(true);
});

it.each([
  "",
  "default-src 'self'",
  `default-src ${UI}`,
  `child-src ${UI}`,
  "frame-src",
  "frame-src 'none'",
  `frame-src 'self' ${UI}`,
  `frame-src ${UI} https:`,
  `frame-src ${UI} *`,
  `frame-src ${UI} data:`,
  `frame-src ${UI} https://*.example`,
  `frame-src https://*.ui.example`,
  "frame-src ui.example",
  `frame-src ${UI}:8443`,
  `frame-src ${UI}.evil.example`,
  `frame-src https://evil.example; frame-src ${UI}`,
])("does not accept %s", (policy) => {
  expect(frameSourcesAre(policy, [UI])).toBe(false);
});
