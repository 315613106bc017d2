import type { HeaderFields } from "./header-fields.js";
import { encodeUtf8 } from "./utf8.js";

/** The answer of a handler. */
export interface Response {
  readonly status: number;
  readonly headers: HeaderFields;
  readonly body?: Uint8Array | undefined;
}

/** Status (by default 200) and additional headers of an answer. */
export interface ResponseOptions {
  readonly status?: number;
  readonly headers?: HeaderFields;
}

/** Answer with a value as JSON. */
export function json(value: unknown, options: ResponseOptions = {}): Response {
  return bytes(encodeUtf8(JSON.stringify(value)), "application/json", options);
}

/** Answer with plain text. */
export function text(value: string, options: ResponseOptions = {}): Response {
  return bytes(encodeUtf8(value), "text/plain; charset=utf-8", options);
}

/** Answer with bytes of a content type. */
export function bytes(body: Uint8Array, contentType: string, options: ResponseOptions = {}): Response {
  return { status: options.status ?? 200, headers: { "content-type": contentType, ...options.headers }, body };
}

/** Answer without a body. */
export function empty(status = 204, headers: HeaderFields = {}): Response {
  return { status, headers };
}

/** Answer with problem+json (RFC 9457). */
export function problem(status: number, detail: string, headers: HeaderFields = {}): Response {
  const body = { type: "about:blank", status, detail };
  return json(body, { status, headers: { "content-type": "application/problem+json", ...headers } });
}
