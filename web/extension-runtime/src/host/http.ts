import * as host from "alga:extension/http";

import { type HeaderFields, headerList } from "../header-fields.js";
import { ownBytes } from "../own-bytes.js";
import { encodeUtf8 } from "../utf8.js";
import { wellFormed } from "../well-formed.js";
import { FetchResponse } from "./fetch-response.js";
import { asking } from "./host-error.js";

export { FetchResponse };

export interface FetchOptions {
  readonly method?: string;
  /** A header with several values is sent once for each. */
  readonly headers?: HeaderFields;
  readonly body?: string | Uint8Array;
}

/**
 * Send a request to a host of the manifest's egress list and wait for the answer.
 *
 * @throws HostError invalid-url, not-allowed, transport, internal
 */
export function fetch(url: string, options: FetchOptions = {}): FetchResponse {
  const { method = "GET", headers = {}, body } = options;
  const response = asking("http.fetch", () =>
    host.fetch(
      wellFormed({
        method,
        url,
        headers: headerList(headers),
        body: typeof body === "string" ? encodeUtf8(body) : body,
      }),
    ),
  );
  return new FetchResponse(response.status, response.headers, ownBytes(response.body));
}
