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

/** Makes the calls of one frame through the host's callback. Never rejects: a failure becomes an error answer. */
export class ApiProxy {
  readonly #options: Pick<LinkOptions, "callApi" | "onError">;
  #underWay = 0;

  constructor(options: Pick<LinkOptions, "callApi" | "onError">) {
    this.#options = options;
  }

  async answer(payload: ApiProxyPayload): Promise<ApiProxyResponsePayload> {
    if (this.#underWay >= CONCURRENT_LIMIT) return refusal(429, "too_many_calls");
    if ((payload.body?.length ?? 0) > BODY_LIMIT) return refusal(413, "payload_too_large");
    const body = decode(payload.body);
    if (body === null) return refusal(400, "invalid_body");
    this.#underWay++;
    try {
      const answer = await this.#options.callApi({ route: payload.route, method: payload.method ?? "GET", body });
      const { status, headers } = answer;
      return answer.body === undefined ? { status, headers } : { status, headers, body: toBase64(answer.body) };
    } catch (error) {
      this.#options.onError?.(error);
      return refusal(502, "bad_gateway");
    } finally {
      this.#underWay--;
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
