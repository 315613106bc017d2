export { fromBase64, toBase64 } from "./base64.js";
export { isFrameMessage, isHostMessage, isPath } from "./guards.js";
export {
  message,
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  type BootstrapPayload,
  type Envelope,
  type FrameMessage,
  type HostMessage,
  type Session,
  type ThemeTokens,
} from "./messages.js";
