import type { HttpHeader } from "alga:extension/types";

import { decodeUtf8 } from "../utf8.js";

/** The answer of another service. */
export class FetchResponse {
  readonly status: number;
  /** By name in lower case. The values of a header that came more than once are joined with a comma and a space. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly #fields: readonly HttpHeader[];

  constructor(status: number, fields: readonly HttpHeader[], body: Uint8Array) {
    this.status = status;
    this.body = body;
    this.#fields = fields.map(({ name, value }) => ({ name: name.toLowerCase(), value }));
    this.headers = new Map(this.#fields.map(({ name }) => [name, this.headerValues(name).join(", ")]));
  }

  /** Return every value of a header, in the order in which they came. Use it for `set-cookie`, which cannot be joined. */
  headerValues(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.#fields.filter((field) => field.name === wanted).map((field) => field.value);
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
