export {
  type BootstrapOptions,
  bootstrapIframe,
  type ExtensionFrame,
  type Failure,
  type State,
} from "./bootstrap-iframe.js";
export { type GatewayOptions, gatewayCalls } from "./gateway-calls.js";
export { type MountedExtension, type MountOptions, mountExtension } from "./mount.js";
export type { ApiAnswer, ApiCall, LinkOptions, Session, ThemeToken, ThemeTokens } from "./options.js";
export type { Texts } from "./texts.js";
export { buildExtUiSrc, type UiAddress } from "./ui-src.js";
