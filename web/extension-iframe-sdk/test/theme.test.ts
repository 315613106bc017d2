import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { setTokens, THEME_TOKENS } from "../src/protocol/index.js";

const css = readFileSync(new URL("../src/base.css", import.meta.url), "utf8");
const defaults = new Map([...css.matchAll(/^ +--alga-([a-z-]+): (.*);$/gm)].map(([, name, value]) => [name, value]));

/** The value of a token in a scheme. */
function colour(token: string, scheme: "light" | "dark"): string {
  const [, light, dark] = /^light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)$/.exec(defaults.get(token) ?? "") ?? [];
  const found = scheme === "light" ? light : dark;
  if (found === undefined) throw new Error(`base.css has no pair of colours for ${token}`);
  return found;
}

/** Relative luminance (WCAG 2.2). */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

it("the base style sheet has a default for each token of the closed list", () => {
  const named = [...defaults.keys()];
  expect([...named, "color-scheme"].sort()).toEqual([...THEME_TOKENS].sort());
});

it("gives way to a page's own styles, in whichever order the sheets are loaded", () => {
  const outside = css.replace(/\/\*[\s\S]*?\*\//g, "").match(/^\S.*$/gm);
  expect(outside).toEqual(["@layer alga-base {", "}"]);
});

describe.each(["light", "dark"] as const)("the %s scheme", (scheme) => {
  it.each([
    ["fg", "bg"],
    ["fg", "card-bg"],
    ["fg", "muted"],
    ["muted-fg", "bg"],
    ["muted-fg", "card-bg"],
    ["muted-fg", "muted"],
    ["primary", "bg"],
    ["primary", "card-bg"],
    ["primary-foreground", "primary"],
    ["primary-soft-fg", "primary-soft"],
    ["secondary-foreground", "secondary"],
    ["accent-foreground", "accent"],
    ["danger", "bg"],
    ["danger", "card-bg"],
    ["success", "card-bg"],
    ["warning", "card-bg"],
  ])("has text in %s on %s with a contrast of AA, 4.5", (text, ground) => {
    expect(contrast(colour(text, scheme), colour(ground, scheme))).toBeGreaterThanOrEqual(4.5);
  });

  it.each(["border", "ring"])("has the line %s, which shows where a field is, with a contrast of 3", (line) => {
    for (const ground of ["bg", "card-bg"]) {
      expect(contrast(colour(line, scheme), colour(ground, scheme))).toBeGreaterThanOrEqual(3);
    }
  });
});

it("measures contrast as WCAG does", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
});

it("sets tokens of the closed list only", () => {
  const set = new Map<string, string>();
  const style = { setProperty: (name: string, value: string) => set.set(name, value), colorScheme: "" };
  const tokens = { bg: "#fff", "color-scheme": "dark", unknown: "1", ["__proto__"]: "2" };

  setTokens({ style } as unknown as HTMLElement, tokens);

  expect([...set]).toEqual([
    ["--alga-bg", "#fff"],
    ["--alga-color-scheme", "dark"],
  ]);
  expect(style.colorScheme).toBe("dark");
});
