export { type CallOptions } from "./api-calls.js";
export { ApiResponse } from "./api-response.js";
export { HostLinkError } from "./errors.js";
export { connect, Host, type ConnectOptions } from "./host.js";
export { type Session, type ThemeTokens } from "./protocol/messages.js";
