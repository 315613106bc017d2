import { fileURLToPath } from "node:url";

import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  cacheDir: fileURLToPath(new URL("../node_modules/.vite", import.meta.url)),
  // The packages of this repository resolve to their sources, so nothing has to be built before the tests.
  ssr: { resolve: { conditions: ["alga-source"] } },
  test: {
    include: ["*/test/**/*.test.ts"],
    environment: "node",
  },
});
