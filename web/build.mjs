// npm run build: build the packages and the host demo into their dist/ folders, which are not in git. esbuild writes the
// JavaScript, tsc the types. `node web/build.mjs host-demo [FOLDER]` builds only the demo, into dist/ or an empty folder.
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const web = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
/** The condition in a package's `exports` that names its TypeScript sources; tsconfig.base.json has it too. */
const SOURCE = "alga-source";
const MESSAGE_SCHEMA = fileURLToPath(new URL("../docs/reference/iframe-messages.schema.json", import.meta.url));
const common = /** @type {const} */ ({ bundle: true, format: "esm", target: "es2022", logLevel: "warning" });

const [only, out = `${web}host-demo/dist`] = process.argv.slice(2);
if (only === undefined) {
  // The types of host-bridge need those of the SDK, so the order matters.
  for (const name of ["extension-runtime", "extension-iframe-sdk", "host-bridge"]) await buildPackage(`${web}${name}`);
}
await buildDemo(`${web}host-demo`, out);

/** @param {string} folder */
async function buildPackage(folder) {
  rmSync(`${folder}/dist`, { recursive: true, force: true });
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const sources = Object.values(exports).flatMap((target) => target[SOURCE] ?? []);
  await build({
    ...common,
    entryPoints: sources.map((source) => `${folder}/${source}`),
    outdir: `${folder}/dist`,
    outbase: `${folder}/src`,
    splitting: true,
    sourcemap: true,
    external: ["alga:extension/*", "@alga/*", "react"],
  });
  // Without the condition, types of other packages come from their dist/, and only this package's types are written.
  const types = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--customConditions", "null"];
  const folders = ["--rootDir", `${folder}/src`, "--outDir", `${folder}/dist`];
  execFileSync(tsc, ["-p", folder, ...types, ...folders], { stdio: "inherit" });
  if ("./messages.schema.json" in exports) cpSync(MESSAGE_SCHEMA, `${folder}/dist/messages.schema.json`);
}

/**
 * @param {string} folder
 * @param {string} out
 */
async function buildDemo(folder, out) {
  cpSync(`${folder}/static`, out, { recursive: true });
  const options = { entryPoints: [`${folder}/src/main.ts`], outfile: `${out}/main.js`, minify: true };
  await build({ ...common, ...options, conditions: [SOURCE] });
}
