import type { ThemeTokens } from "@alga/host-bridge";

/** The custom properties that are sent to the pages of extensions. */
const SHARED = [
  "color-primary",
  "color-on-primary",
  "color-text",
  "color-text-muted",
  "color-border",
  "color-surface",
  "font-family",
];

/** Read the current theme from the style of this page. */
export function currentTheme(): ThemeTokens {
  const style = getComputedStyle(document.documentElement);
  const tokens = SHARED.map((name) => [name, style.getPropertyValue(`--${name}`).trim()] as const);
  return { ...Object.fromEntries(tokens), "color-scheme": style.colorScheme };
}

/** Switch to a colour scheme. */
export function setScheme(scheme: "light" | "dark"): void {
  document.documentElement.dataset["scheme"] = scheme;
}

export function currentScheme(): "light" | "dark" {
  return document.documentElement.dataset["scheme"] === "dark" ? "dark" : "light";
}
