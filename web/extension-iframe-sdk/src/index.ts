export type { CallOptions } from "./api-calls.js";
export { ApiResponse } from "./api-response.js";
export { HostLinkError } from "./errors.js";
export { type ConnectOptions, connect, Host } from "./host.js";
export type { Session, ThemeTokens } from "./protocol/messages.js";
export { type Refusal, refusalOf } from "./refusal.js";
