// npm run build: each package into its ignored dist/ (JavaScript by esbuild, types by tsc), and the host demo.
import { execFileSync } from "node:child_process";
import { cpSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { ENTRIES } from "./packages.mjs";

const web = fileURLToPath(new URL(".", import.meta.url));
const tsc = fileURLToPath(new URL("../node_modules/.bin/tsc", import.meta.url));

for (const name of ["extension-runtime", "extension-iframe-sdk", "host-bridge"]) {
  const folder = `${web}${name}`;
  rmSync(`${folder}/dist`, { recursive: true, force: true });
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  await build({
    entryPoints: Object.values(exports).map((target) => target.default.replace("./dist/", `${folder}/src/`).replace(".js", ".ts")),
    outdir: `${folder}/dist`,
    outbase: `${folder}/src`,
    bundle: true,
    splitting: true,
    format: "esm",
    target: "es2022",
    sourcemap: true,
    external: ["alga:extension/*", "@alga/*"],
    logLevel: "warning",
  });
  execFileSync(tsc, ["-p", folder, "--noEmit", "false", "--emitDeclarationOnly", "--declaration", "--outDir", `${folder}/dist`], {
    stdio: "inherit",
  });
}

const demo = `${web}host-demo`;
rmSync(`${demo}/dist`, { recursive: true, force: true });
cpSync(`${demo}/static`, `${demo}/dist`, { recursive: true });
await build({
  entryPoints: [`${demo}/src/main.ts`],
  outfile: `${demo}/dist/main.js`,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  alias: ENTRIES,
  logLevel: "warning",
});
