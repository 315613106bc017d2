import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";
import { expect, it } from "vitest";

it.each([
  ["the SDK", "extension-iframe-sdk/src/index.ts", 4096],
  ["the React hooks with the SDK, without React", "extension-iframe-sdk/src/react/index.ts", 4608],
  ["the bridge", "host-bridge/src/index.ts", 8192],
])("%s fits into its budget of bytes", async (_, entry, budget) => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../../${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    conditions: ["alga-source"],
    external: ["react"],
  });
  expect(gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length).toBeLessThanOrEqual(budget);
});
