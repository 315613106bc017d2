import {
  type ApiProxyPayload,
  type ApiProxyResponsePayload,
  fromBase64,
  toBase64,
} from "@alga/extension-iframe-sdk/protocol";

import type { LinkOptions } from "./options.js";

/** How many calls of one frame may run at the same time; one more is refused. */
const CONCURRENT_LIMIT = 16;
/** Length of the base64 text of 4 MiB, the gateway's limit. */
const BODY_LIMIT = Math.ceil((4 * 1024 * 1024) / 3) * 4;
const HEADERS_LIMIT = 32;
/** Request headers that carry credentials, or say who calls: a page must not set them. */
const REFUSED_HEADERS = /^(authorization|cookie|forwarded|host|origin|proxy-.*|sec-.*|x-alga-.*|x-forwarded-.*)$/i;
/** Response headers that a page may read (docs/reference/gateway.md). */
const READABLE_HEADERS =
  /^(accept-ranges|allow|apigw-requestid|cache-control|content-(disposition|language|range|type)|etag|last-modified|link|location|retry-after|x-ext-.*|x-request-id)$/;

/** Makes the calls of one frame through the host's callback. Never rejects: a failure becomes an error answer. */
export class ApiProxy {
  readonly #options: Pick<LinkOptions, "callApi" | "onError">;
  readonly #underWay = new Map<AbortController, string | undefined>();

  constructor(options: Pick<LinkOptions, "callApi" | "onError">) {
    this.#options = options;
  }

  async answer(payload: ApiProxyPayload, id: string | undefined): Promise<ApiProxyResponsePayload> {
    if (this.#underWay.size >= CONCURRENT_LIMIT) return refusal(429, "too_many_calls");
    if ((payload.body?.length ?? 0) > BODY_LIMIT) return refusal(413, "payload_too_large");
    const headers = Object.entries(payload.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value] as const);
    if (headers.length > HEADERS_LIMIT || headers.some(([name]) => REFUSED_HEADERS.test(name))) {
      return refusal(400, "invalid_headers");
    }
    const body = decode(payload.body);
    const method = payload.method ?? (body === undefined ? "GET" : "POST");
    if (body === null || (body !== undefined && /^(GET|HEAD)$/.test(method))) return refusal(400, "invalid_body");
    const ended = new AbortController();
    this.#underWay.set(ended, id);
    try {
      const { signal } = ended;
      const { route } = payload;
      const answer = await this.#options.callApi({ route, method, headers: Object.fromEntries(headers), body, signal });
      return {
        status: answer.status,
        headers: Object.fromEntries(Object.entries(answer.headers).filter(([name]) => READABLE_HEADERS.test(name))),
        ...(answer.body && { body: toBase64(answer.body) }),
      };
    } catch (error) {
      if (!ended.signal.aborted) this.#options.onError?.(error);
      return refusal(502, "bad_gateway");
    } finally {
      this.#underWay.delete(ended);
    }
  }

  /** Abort the call with this id, or all calls. */
  abort(id?: string): void {
    for (const [ended, of] of this.#underWay) {
      if (id === undefined || of === id) ended.abort();
    }
  }
}

function decode(body: string | undefined): Uint8Array<ArrayBuffer> | undefined | null {
  if (body === undefined) return undefined;
  try {
    return fromBase64(body);
  } catch {
    return null;
  }
}

function refusal(status: number, error: string): ApiProxyResponsePayload {
  return { status, headers: {}, error };
}
