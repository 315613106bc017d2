export { fromBase64, toBase64 } from "./base64.js";
export { isFrameMessage, isHostMessage, isPath } from "./guards.js";
export {
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  type BootstrapPayload,
  type ConfirmPayload,
  type DownloadPayload,
  type Envelope,
  type FrameMessage,
  type HostMessage,
  message,
  type NotifyPayload,
  type Session,
  type Tone,
} from "./messages.js";
export { setTokens, THEME_TOKENS, type ThemeToken, type ThemeTokens } from "./theme-tokens.js";
