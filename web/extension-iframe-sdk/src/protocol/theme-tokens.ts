/** The closed list of theme tokens. Each is also the custom property `--alga-NAME` of the page's root. */
export const THEME_TOKENS = [
  "bg",
  "fg",
  "muted",
  "muted-fg",
  "card-bg",
  "border",
  "border-light",
  "primary",
  "primary-foreground",
  "primary-soft",
  "primary-soft-fg",
  "secondary",
  "secondary-foreground",
  "accent",
  "accent-foreground",
  "danger",
  "success",
  "warning",
  "ring",
  "radius",
  "font-family",
  "font-size",
  "color-scheme",
] as const;

export type ThemeToken = (typeof THEME_TOKENS)[number];

/** CSS values by token. A host may leave tokens out. */
export type ThemeTokens = Readonly<Partial<Record<ThemeToken, string>>>;

/** Set tokens as custom properties of an element, and its colour scheme. Names outside the list are ignored. */
export function setTokens(element: HTMLElement, tokens: ThemeTokens): void {
  for (const name of THEME_TOKENS) {
    const value = tokens[name];
    if (value !== undefined) element.style.setProperty(`--alga-${name}`, value);
  }
  const scheme = tokens["color-scheme"];
  if (scheme !== undefined) element.style.colorScheme = scheme;
}
