export { fromBase64, toBase64 } from "./base64.js";
export { isFrameMessage, isHostMessage, isPath } from "./guards.js";
export {
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  type BootstrapPayload,
  type Envelope,
  type FrameMessage,
  type HostMessage,
  message,
  type Session,
  type ThemeTokens,
} from "./messages.js";
