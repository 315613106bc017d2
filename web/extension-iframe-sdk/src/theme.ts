import type { ThemeTokens } from "./protocol/messages.js";

/** Set the host's theme on the page: the token `primary` becomes the custom property `--alga-primary`. */
export function applyTheme(root: HTMLElement, tokens: ThemeTokens): void {
  for (const [name, value] of Object.entries(tokens)) {
    root.style.setProperty(`--alga-${name}`, value);
  }
  const scheme = tokens["color-scheme"];
  if (scheme !== undefined) root.style.colorScheme = scheme;
}
