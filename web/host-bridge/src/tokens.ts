import type { ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

/** Set the host's theme tokens for what is drawn below an element. */
export function setTokens(element: HTMLElement, tokens: ThemeTokens): void {
  for (const [name, value] of Object.entries(tokens)) {
    element.style.setProperty(name === "color-scheme" ? name : `--alga-${name}`, value ?? null);
  }
}
