export { ApiResponse } from "./api-response.js";
export { type CallOptions, callHandlerJson, callProxy, type HandlerCallOptions } from "./call.js";
export { HandlerError, HostLinkError } from "./errors.js";
export { type ConnectOptions, connect, type Host } from "./host.js";
export type { Session, Tone } from "./protocol/messages.js";
export type { ThemeToken, ThemeTokens } from "./protocol/theme-tokens.js";
export { type Refusal, refusalOf } from "./refusal.js";
