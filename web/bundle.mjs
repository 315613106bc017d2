// Bundle a package as it is published.
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

/** The condition in a package's `exports` that names its TypeScript sources; tsconfig.base.json has it too. */
export const SOURCE = "alga-source";
export const COMMON = /** @type {const} */ ({ bundle: true, format: "esm", target: "es2022", logLevel: "warning" });

/**
 * Bundle the entries of a package, and each module that is imported dynamically. Each becomes one file with all that it
 * needs, except for another entry, which it imports: a page loads an entry, and of the rest only what it uses.
 *
 * @param {string} folder
 * @param {import("esbuild").BuildOptions} [options]
 * @returns {Promise<import("esbuild").OutputFile[]>} JavaScript, styles and source maps below `dist/`, not yet written
 */
export async function bundlePackage(folder, options) {
  const { exports } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const modules = Object.values(exports).flatMap((target) => target[SOURCE] ?? []);
  const sources = modules.map((/** @type {string} */ source) => resolve(folder, source));
  const files = [];
  for (const source of sources) {
    /** @type {import("esbuild").Plugin} */
    const otherFiles = {
      name: "other files",
      setup({ onResolve }) {
        onResolve({ filter: /^\./ }, ({ kind, path, resolveDir }) => {
          const module = resolve(resolveDir, path.replace(/\.js$/, ".ts"));
          if (kind === "dynamic-import" && !sources.includes(module)) sources.push(module);
          if (!sources.includes(module)) return undefined;
          const fromHere = relative(dirname(source), module).replace(/\.ts$/, ".js");
          return { path: fromHere.startsWith(".") ? fromHere : `./${fromHere}`, external: true };
        });
      },
    };
    const { outputFiles } = await build({
      ...COMMON,
      ...options,
      entryPoints: [source],
      outdir: `${folder}/dist`,
      outbase: `${folder}/src`,
      sourcemap: true,
      write: false,
      conditions: [SOURCE],
      external: ["alga:extension/*", "react"],
      plugins: [otherFiles],
    });
    files.push(...outputFiles);
  }
  return files;
}

/**
 * What a browser loads of a file, as most servers send it.
 *
 * @param {Uint8Array} contents
 */
export function gzipBytes(contents) {
  return gzipSync(contents, { level: 9 }).length;
}
