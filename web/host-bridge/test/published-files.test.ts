import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, afterEach, describe, expect, it, vi } from "vitest";

import { bundlePackage, gzipBytes } from "../../bundle.mjs";

const LIMIT_BYTES = 4096;

async function filesOf(name: string): Promise<Map<string, Uint8Array>> {
  const folder = fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const files = await bundlePackage(folder, { minify: true });
  return new Map(files.map(({ path, contents }) => [relative(`${folder}/dist`, path), contents]));
}

/** What a file imports, as paths below the package's folder or names of packages. */
function importsOf(path: string, contents: Uint8Array): string[] {
  const text = new TextDecoder().decode(contents);
  const found = [...text.matchAll(/(?:\bfrom|\bimport\(?)"([^"]+)"/g)].map(([, imported = ""]) => imported);
  return found.map((imported) => (imported.startsWith(".") ? join(dirname(path), imported) : imported));
}

const packages = {
  "extension-iframe-sdk": await filesOf("extension-iframe-sdk"),
  "host-bridge": await filesOf("host-bridge"),
};

describe.each(Object.entries(packages))("%s", (_, files) => {
  const scripts = [...files].filter(([path]) => path.endsWith(".js"));

  it.each(scripts)("%s is at most 4 KB with gzip", (__, contents) => {
    expect(gzipBytes(contents)).toBeLessThanOrEqual(LIMIT_BYTES);
  });

  it.each(scripts)("%s imports files of the package only, and React", (path, contents) => {
    const imported = importsOf(path, contents);
    expect(imported.filter((other) => other !== "react" && !files.has(other))).toEqual([]);
  });
});

describe("the bridge", () => {
  const files = packages["host-bridge"];
  const folder = mkdtempSync(join(tmpdir(), "bridge-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  afterEach(() => void vi.unstubAllGlobals());

  it("is one entry, and parts that are loaded when a page needs them", () => {
    const scripts = [...files.keys()].filter((path) => path.endsWith(".js"));
    expect(scripts.sort()).toEqual([
      "index.js",
      ...["calls", "checks", "old-pages", "prompts", "session-keeper", "views"].map((part) => `parts/${part}.js`),
    ]);
    expect(scripts.flatMap((path) => importsOf(path, files.get(path) ?? new Uint8Array())).sort()).toEqual(
      expect.arrayContaining(scripts.filter((path) => path !== "index.js")),
    );
  });

  it("runs as files that are served as they are", async () => {
    for (const [path, contents] of files) {
      await mkdir(dirname(join(folder, path)), { recursive: true });
      await writeFile(join(folder, path), contents);
    }
    await writeFile(join(folder, "package.json"), '{"type": "module"}');
    const entry = join(folder, "index.js");
    const { gatewayCalls, ...others } = await import(/* @vite-ignore */ entry);
    expect(Object.keys(others).sort()).toEqual(["bootstrapIframe", "buildExtUiSrc", "mountExtension"]);
    vi.stubGlobal("fetch", () => Promise.resolve(new Response("here")));
    const call = gatewayCalls({ installId: "i", token: () => "t" });
    await expect(call({ route: "/x", method: "GET", headers: {} })).resolves.toMatchObject({ status: 200 });
  });
});
