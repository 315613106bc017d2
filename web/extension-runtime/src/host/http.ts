import * as host from "alga:extension/http";

import { ownBytes } from "../own-bytes.js";
import { decodeUtf8, encodeUtf8 } from "../utf8.js";
import { asking } from "./host-error.js";

export interface FetchOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The answer of another service. */
export class FetchResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;

  constructor(status: number, headers: ReadonlyMap<string, string>, body: Uint8Array) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  text(): string {
    return decodeUtf8(this.body);
  }

  /** @throws SyntaxError when the body is not JSON */
  json(): unknown {
    return JSON.parse(this.text());
  }
}

/**
 * Send a request to a host of the manifest's egress list and wait for the answer.
 *
 * @throws HostError invalid-url, not-allowed, transport, internal
 */
export function fetch(url: string, options: FetchOptions = {}): FetchResponse {
  const { method = "GET", headers = {}, body } = options;
  const response = asking("http.fetch", () =>
    host.fetch({
      method,
      url,
      headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
      body: typeof body === "string" ? encodeUtf8(body) : body,
    }),
  );
  const received = new Map(response.headers.map(({ name, value }) => [name.toLowerCase(), value]));
  return new FetchResponse(response.status, received, ownBytes(response.body));
}
