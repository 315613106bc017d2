/** Calls of the extension's server handlers. The host application makes them with its user's credentials. */

import { ApiResponse } from "./api-response.js";
import { HandlerError, HostLinkError } from "./errors.js";
import type { Host } from "./host.js";
import { toBase64 } from "./protocol/base64.js";
import type { ApiProxyPayload, ApiProxyResponsePayload } from "./protocol/messages.js";

export interface CallOptions {
  /** By default GET, and POST when there is a body. */
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
  /** At most 32. The host refuses those that carry credentials; the gateway passes on those that its page lists. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged. Not together with `json`. */
  readonly body?: Uint8Array;
  /** Gives the call up: it rejects with the signal's reason, and the host aborts its request. */
  readonly signal?: AbortSignal;
  /** In milliseconds; by default 30 seconds. */
  readonly timeoutMs?: number;
}

export function payloadOf(route: string, options: CallOptions): ApiProxyPayload {
  const { json } = options;
  const body = json === undefined ? options.body : new TextEncoder().encode(JSON.stringify(json));
  const headers = json === undefined ? options.headers : { "content-type": "application/json", ...options.headers };
  return {
    route,
    method: options.method ?? (body === undefined ? "GET" : "POST"),
    ...(headers && { headers }),
    ...(body && { body: toBase64(body) }),
  };
}

/** @throws HostLinkError when the host did not make the call, or when its answer cannot be decoded */
export function responseOf(payload: ApiProxyResponsePayload): ApiResponse {
  const { error } = payload;
  if (error !== undefined) throw new HostLinkError(error, `The host application did not make the call: ${error}.`);
  try {
    return new ApiResponse(payload);
  } catch {
    throw new HostLinkError("invalid_answer", "The host application sent a body that is not base64.");
  }
}

/** Call a handler with bytes and return the bytes of its answer. @throws HandlerError, HostLinkError */
export async function callProxy(
  host: Host,
  route: string,
  body?: Uint8Array,
  options?: Omit<CallOptions, "json" | "body">,
): Promise<Uint8Array<ArrayBuffer>> {
  return (await answered(host, route, { ...options, ...(body && { body }) })).body;
}

export interface HandlerCallOptions extends Omit<CallOptions, "json" | "body"> {
  /** Sent as JSON. */
  readonly body?: unknown;
}

/**
 * Call a handler with JSON and return the JSON of its answer; `undefined` when the answer is empty.
 *
 * @throws HandlerError when the answer has an error status
 * @throws HostLinkError when the call was not made or not answered
 * @throws SyntaxError when the answer is not JSON
 */
export async function callHandlerJson<Answer = unknown>(
  host: Host,
  route: string,
  { body, ...options }: HandlerCallOptions = {},
): Promise<Answer> {
  const response = await answered(host, route, { ...options, json: body });
  return (response.body.length === 0 ? undefined : response.json()) as Answer;
}

async function answered(host: Host, route: string, options: CallOptions): Promise<ApiResponse> {
  const response = await host.call(route, options);
  if (!response.ok) throw new HandlerError(response);
  return response;
}
