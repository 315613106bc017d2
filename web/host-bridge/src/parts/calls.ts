/** The calls of a page. This is loaded with the first one. */

import {
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  fromBase64,
  toBase64,
} from "@alga/extension-iframe-sdk/protocol";

import type { GatewayOptions } from "../gateway-calls.js";
import type { ApiAnswer, ApiCall, LinkOptions } from "../options.js";

/** Length of the base64 text of 4 MiB, the gateway's limit. */
const BODY_LIMIT = Math.ceil((4 * 1024 * 1024) / 3) * 4;
const HEADERS_LIMIT = 32;
/** Request headers that carry credentials, or say who calls: a page must not set them. */
const REFUSED_HEADERS = /^(authorization|cookie|forwarded|host|origin|proxy-.*|sec-.*|x-alga-.*|x-forwarded-.*)$/;
/** Response headers that a page may read (docs/reference/gateway.md). */
const READABLE_HEADERS =
  /^(accept-ranges|allow|apigw-requestid|cache-control|content-(disposition|language|range|type)|etag|last-modified|link|location|retry-after|x-ext-.*|x-request-id)$/;

/** Make a page's call through the host's callback. Rejects if that rejects. */
export async function answerCall(
  call: ApiProxyPayload,
  callApi: LinkOptions["callApi"],
  signal: AbortSignal,
): Promise<ApiProxyResponsePayload> {
  const { route, body: text } = call;
  if (text !== undefined && text.length > BODY_LIMIT) return refusal(413, "payload_too_large");
  const headers = Object.entries(call.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
  if (headers.length > HEADERS_LIMIT || headers.some(([name]) => REFUSED_HEADERS.test(name))) {
    return refusal(400, "invalid_headers");
  }
  const method = call.method ?? (text === undefined ? "GET" : "POST");
  const body = text === undefined ? undefined : decoded(text);
  if (body === null || (body !== undefined && /^(GET|HEAD)$/.test(method))) return refusal(400, "invalid_body");
  const answer = await callApi({ route, method, headers: Object.fromEntries(headers), body, signal });
  return {
    status: answer.status,
    headers: Object.fromEntries(Object.entries(answer.headers).filter(([name]) => READABLE_HEADERS.test(name))),
    ...(answer.body && { body: toBase64(answer.body) }),
  };
}

/** Call the platform's gateway with the user's token. */
export async function callGateway(
  { base = "", installId, token }: GatewayOptions,
  { route, method, headers, body, signal }: ApiCall,
): Promise<ApiAnswer> {
  const response = await fetch(`${base.replace(/\/$/, "")}/api/ext/${encodeURIComponent(installId)}${route}`, {
    method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...headers,
      authorization: `Bearer ${await token()}`,
    },
    body: body ?? null,
    signal,
    credentials: "omit",
    redirect: "error",
  });
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  };
}

function decoded(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return fromBase64(text);
  } catch {
    return null;
  }
}

function refusal(status: number, error: string): ApiProxyResponsePayload {
  return { status, headers: {}, error };
}
