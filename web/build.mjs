// npm run build: build the packages and the host demo into their dist/ folders, which are not in git. esbuild writes the
// JavaScript, tsc the types. `node web/build.mjs host-demo [FOLDER]` builds only the demo, into dist/ or an empty folder;
// `node web/build.mjs host-bridge FOLDER` only the bridge's JavaScript.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { bundlePackage, COMMON, gzipBytes, SOURCE } from "./bundle.mjs";

const web = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
const MESSAGE_SCHEMA = fileURLToPath(new URL("../docs/reference/iframe-messages.schema.json", import.meta.url));

const [only, out] = process.argv.slice(2);
if (only === undefined) {
  await buildPackage(`${web}extension-runtime`, false); // guests are bundled again
  // The types of host-bridge need those of the SDK, so the order matters.
  for (const name of ["extension-iframe-sdk", "host-bridge"]) await buildPackage(`${web}${name}`, true);
}
if (only === "host-bridge" && out !== undefined) await writeBundles(`${web}host-bridge`, out, true);
else await buildDemo(`${web}host-demo`, out ?? `${web}host-demo/dist`);

/**
 * @param {string} folder
 * @param {boolean} minify
 */
async function buildPackage(folder, minify) {
  rmSync(`${folder}/dist`, { recursive: true, force: true });
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  await writeBundles(folder, `${folder}/dist`, minify);
  // Without the condition, types of other packages come from their dist/, and only this package's types are written.
  const types = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--customConditions", "null"];
  const folders = ["--rootDir", `${folder}/src`, "--outDir", `${folder}/dist`];
  execFileSync(tsc, ["-p", folder, ...types, ...folders], { stdio: "inherit" });
  if ("./messages.schema.json" in exports) cpSync(MESSAGE_SCHEMA, `${folder}/dist/messages.schema.json`);
}

/**
 * @param {string} folder
 * @param {string} out
 * @param {boolean} minify
 */
async function writeBundles(folder, out, minify) {
  for (const { path, contents } of await bundlePackage(folder, { minify })) {
    const file = relative(`${folder}/dist`, path);
    mkdirSync(dirname(`${out}/${file}`), { recursive: true });
    writeFileSync(`${out}/${file}`, contents);
    if (!file.endsWith(".map")) console.log(`${basename(folder)}/${file}: ${gzipBytes(contents)} bytes with gzip`);
  }
}

/**
 * @param {string} folder
 * @param {string} out
 */
async function buildDemo(folder, out) {
  cpSync(`${folder}/static`, out, { recursive: true });
  const options = { entryPoints: [`${folder}/src/main.ts`], outfile: `${out}/main.js`, minify: true };
  await build({ ...COMMON, ...options, conditions: [SOURCE] });
}
