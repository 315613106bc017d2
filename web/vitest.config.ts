import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

import { ENTRIES } from "./packages.mjs";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  cacheDir: fileURLToPath(new URL("../node_modules/.vite", import.meta.url)),
  resolve: {
    alias: [
      ...Object.entries(ENTRIES).map(([find, replacement]) => ({ find, replacement })),
    ],
  },
  test: {
    include: ["*/test/**/*.test.ts"],
    environment: "node",
  },
});
