// Where the sources of the packages lie, for the tools that resolve imports themselves.
import { fileURLToPath } from "node:url";

/** @param {string} path */
const source = (path) => fileURLToPath(new URL(path, import.meta.url));

/** @type {Record<string, string>} */
export const ENTRIES = {
  // The longer name first: resolvers take the first prefix that fits.
  "@alga/extension-iframe-sdk/protocol": source("extension-iframe-sdk/src/protocol/index.ts"),
  "@alga/extension-iframe-sdk": source("extension-iframe-sdk/src/index.ts"),
  "@alga/extension-runtime": source("extension-runtime/src/index.ts"),
  "@alga/host-bridge": source("host-bridge/src/index.ts"),
};
