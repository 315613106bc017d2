export { FrameLink, GREATEST_HEIGHT, type LinkEnds, LOWEST_HEIGHT } from "./frame-link.js";
export { type MountedExtension, type MountOptions, mountExtension } from "./mount.js";
export type { ApiAnswer, ApiCall, LinkOptions, Session, ThemeTokens } from "./options.js";
