/// <reference path="./host-modules.d.ts" preserve="true" />
import "./text-coding.js";

export * as clients from "./host/clients.js";
export * as config from "./host/config.js";
export * as context from "./host/context.js";
export { HostError } from "./host/host-error.js";
export * as http from "./host/http.js";
export * as invoicing from "./host/invoicing.js";
export * as log from "./host/log.js";
export * as metrics from "./host/metrics.js";
export * as scheduler from "./host/scheduler.js";
export * as secrets from "./host/secrets.js";
export * as services from "./host/services.js";
export * as storage from "./host/storage.js";
export * as uiProxy from "./host/ui-proxy.js";
export * as user from "./host/user.js";
export { HttpProblem } from "./problem.js";
export { Query } from "./query.js";
export { Request } from "./request.js";
export { bytes, empty, json, problem, type Response, type ResponseOptions, text } from "./response.js";
export { type Handler, Router } from "./router.js";
export { decodeUtf8, encodeUtf8 } from "./utf8.js";
