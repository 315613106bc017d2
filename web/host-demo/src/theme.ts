import type { ThemeTokens } from "@alga/host-bridge";

/** The theme tokens that are sent to the pages of extensions, and the custom property of this page that each comes from. */
const SHARED = {
  bg: "color-surface", // pages are shown on a card
  fg: "color-text",
  muted: "color-ground",
  "muted-fg": "color-text-muted",
  "card-bg": "color-surface",
  border: "color-border",
  "border-light": "color-border",
  primary: "color-primary",
  "primary-foreground": "color-on-primary",
  "primary-soft": "color-primary-soft",
  "primary-soft-fg": "color-on-primary-soft",
  secondary: "color-ground",
  "secondary-foreground": "color-text",
  accent: "color-primary",
  "accent-foreground": "color-on-primary",
  danger: "color-danger",
  success: "color-success",
  warning: "color-warning",
  ring: "color-primary",
  radius: "radius",
  "font-family": "font-family",
  "font-size": "font-size",
};

/** Read the current theme from the style of this page. */
export function currentTheme(): ThemeTokens {
  const style = getComputedStyle(document.documentElement);
  const read = (property: string): string => style.getPropertyValue(`--${property}`).trim();
  const tokens = Object.entries(SHARED).map(([token, property]) => [token, read(property)] as const);
  return { ...Object.fromEntries(tokens), "color-scheme": style.colorScheme };
}

/** Switch to a colour scheme. */
export function setScheme(scheme: "light" | "dark"): void {
  document.documentElement.dataset["scheme"] = scheme;
}

export function currentScheme(): "light" | "dark" {
  return document.documentElement.dataset["scheme"] === "dark" ? "dark" : "light";
}
