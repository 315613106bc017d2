/** What the bridge shows to people. A host replaces some or all of these, for example in another language. */
export const TEXTS = {
  loading: "Loading {title}…",
  withdrawn: "{title} is no longer available.",
  failed: "{title} cannot be shown right now.",
  refused: "{title} cannot be shown here. Please tell the administrator of this application.",
  retry: "Try again",
  dismiss: "Dismiss",
  cancel: "Cancel",
  asks: "{title} asks",
  offers: "{title} offers a file",
  save: "Save",
};

export type Texts = typeof TEXTS;

/** Characters that change what others look like: control characters except line feeds, and those that turn the direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression removes control characters
const UNSEEN = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Return a page's text without characters that change what others look like, and cut to a length. */
export function plain(text: string, length: number): string {
  const clean = text
    .slice(0, length * 4)
    .replace(UNSEEN, "")
    .trim();
  return clean.length > length ? `${clean.slice(0, length - 1)}…` : clean;
}
