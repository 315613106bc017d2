export { FrameLink, GREATEST_HEIGHT, LOWEST_HEIGHT, type LinkEnds } from "./frame-link.js";
export { mountExtension, type MountedExtension, type MountOptions } from "./mount.js";
export type { ApiAnswer, ApiCall, LinkOptions, Session, ThemeTokens } from "./options.js";
