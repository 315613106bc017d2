import type { ThemeTokens } from "@alga/host-bridge";

/** The custom properties that extensions' pages are told of. */
const SHARED = [
  "color-primary",
  "color-on-primary",
  "color-text",
  "color-text-muted",
  "color-border",
  "color-surface",
  "font-family",
];

/** Read the theme that is in force from this page's own style. */
export function currentTheme(): ThemeTokens {
  const style = getComputedStyle(document.documentElement);
  const tokens = SHARED.map((name) => [name, style.getPropertyValue(`--${name}`).trim()] as const);
  return { ...Object.fromEntries(tokens), "color-scheme": style.colorScheme };
}

/** Put a colour scheme in force. */
export function setScheme(scheme: "light" | "dark"): void {
  document.documentElement.dataset["scheme"] = scheme;
}

export function currentScheme(): "light" | "dark" {
  return document.documentElement.dataset["scheme"] === "dark" ? "dark" : "light";
}
