import { fromBase64 } from "./protocol/base64.js";
import type { ApiProxyResponsePayload } from "./protocol/messages.js";

/** The answer of the extension's server handler. */
export class ApiResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;

  constructor(payload: ApiProxyResponsePayload) {
    this.status = payload.status;
    this.headers = payload.headers;
    this.body = fromBase64(payload.body ?? "");
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  text(): string {
    return new TextDecoder().decode(this.body);
  }

  /** @throws SyntaxError when the body is not JSON */
  json(): unknown {
    return JSON.parse(this.text());
  }
}
