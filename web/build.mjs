// npm run build: packages and the host demo into their ignored dist/ folders; `node web/build.mjs host-demo` for one.
// JavaScript by esbuild, types by tsc.
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { ENTRIES } from "./packages.mjs";

const web = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));
const common = /** @type {const} */ ({ bundle: true, format: "esm", target: "es2022", logLevel: "warning" });

// host-bridge's types build on the SDK's, so the order counts.
const STEPS = {
  "extension-runtime": buildPackage,
  "extension-iframe-sdk": buildPackage,
  "host-bridge": buildPackage,
  "host-demo": buildDemo,
};

const wanted = process.argv.slice(2);
for (const [name, step] of Object.entries(STEPS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const folder = `${web}${name}`;
  rmSync(`${folder}/dist`, { recursive: true, force: true });
  await step(folder);
}

/** @param {string} folder */
async function buildPackage(folder) {
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const targets = Object.values(exports).map((target) => target.default);
  await build({
    ...common,
    entryPoints: targets.map((target) => target.replace("./dist/", `${folder}/src/`).replace(/\.js$/, ".ts")),
    outdir: `${folder}/dist`,
    outbase: `${folder}/src`,
    splitting: true,
    sourcemap: true,
    external: ["alga:extension/*", "@alga/*"],
  });
  const own = `${folder}/tsconfig.build.json`;
  const project = existsSync(own) ? own : folder;
  const types = ["--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--outDir", `${folder}/dist`];
  execFileSync(tsc, ["-p", project, ...types], { stdio: "inherit" });
}

/** @param {string} folder */
async function buildDemo(folder) {
  cpSync(`${folder}/static`, `${folder}/dist`, { recursive: true });
  await build({ ...common, entryPoints: [`${folder}/src/main.ts`], outfile: `${folder}/dist/main.js`, minify: true, alias: ENTRIES });
}
