import { ApiResponse } from "./api-response.js";
import { HostLinkError } from "./errors.js";
import { toBase64 } from "./protocol/base64.js";
import { type ApiProxyPayload, type ApiProxyResponsePayload, message } from "./protocol/messages.js";

export interface CallOptions {
  readonly method?: "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent unchanged; the host application sets the content type. Not together with `json`. */
  readonly body?: Uint8Array;
  /** In milliseconds; by default 30 seconds. */
  readonly timeoutMs?: number;
}

interface Waiting {
  readonly resolve: (response: ApiResponse) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
}

/** Calls of the extension's server handlers, which the host makes for the frame; an id joins each call to its answer. */
export class ApiCalls {
  readonly #port: MessagePort;
  readonly #waiting = new Map<string, Waiting>();
  #last = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  call(route: string, options: CallOptions): Promise<ApiResponse> {
    const { timeoutMs = 30_000 } = options;
    const id = String(++this.#last);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new HostLinkError("timeout", `The call of ${route} was not answered within ${timeoutMs} ms.`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#port.postMessage(message("apiproxy", payloadOf(route, options), id));
    });
  }

  /** Handle an answer; drop it if its id is unknown or its call has timed out. */
  settle(id: string | undefined, payload: ApiProxyResponsePayload): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (payload.error === undefined) waiting.resolve(new ApiResponse(payload));
    else
      waiting.reject(new HostLinkError(payload.error, `The host application did not make the call: ${payload.error}.`));
  }
}

function payloadOf(route: string, options: CallOptions): ApiProxyPayload {
  const { json } = options;
  const body = json === undefined ? options.body : new TextEncoder().encode(JSON.stringify(json));
  const method = options.method ?? (body === undefined ? "GET" : "POST");
  return body === undefined ? { route, method } : { route, method, body: toBase64(body) };
}
