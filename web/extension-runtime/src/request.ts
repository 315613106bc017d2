import type { ContextData, ExecuteRequest } from "alga:extension/types";

import { ownBytes } from "./own-bytes.js";
import { HttpProblem } from "./problem.js";
import { Query } from "./query.js";
import { decodeUtf8 } from "./utf8.js";

/** A request to the extension. */
export class Request {
  readonly method: string;
  /** The path below the extension, still percent-encoded, without the query. */
  readonly path: string;
  readonly query: Query;
  /** Values of the route's `:name` segments, decoded. */
  readonly params: Readonly<Record<string, string>>;
  /** The ids of the call: tenant, install, request and more. */
  readonly context: ContextData;
  /** The unchanged body; empty when there was none. */
  readonly body: Uint8Array;
  readonly #raw: ExecuteRequest;

  constructor(raw: ExecuteRequest, params: Readonly<Record<string, string>> = {}) {
    const [path = "/", ...query] = raw.http.url.split("?");
    this.method = raw.http.method.toUpperCase();
    this.path = path;
    this.query = new Query(query.join("?"));
    this.params = params;
    this.context = raw.context;
    this.body = ownBytes(raw.http.body);
    this.#raw = raw;
  }

  /** A header by its name in upper or lower case; several values are joined by commas. */
  header(name: string): string | undefined {
    const wanted = name.toLowerCase();
    const values = this.#raw.http.headers.filter((header) => header.name.toLowerCase() === wanted);
    return values.length === 0 ? undefined : values.map((header) => header.value).join(", ");
  }

  /** All headers, unchanged. */
  headers(): [name: string, value: string][] {
    return this.#raw.http.headers.map(({ name, value }) => [name, value]);
  }

  /** The value of a `:name` segment of the route. */
  param(name: string): string {
    const value = this.params[name];
    if (value === undefined) throw new Error(`The route has no segment :${name}; add it to the route's path.`);
    return value;
  }

  /** The body as text. */
  text(): string {
    return decodeUtf8(this.body);
  }

  /**
   * The body as JSON. Check its shape before use, because the caller may send any JSON.
   *
   * @throws HttpProblem 400 when it is not JSON
   */
  json(): unknown {
    try {
      return JSON.parse(this.text());
    } catch {
      throw new HttpProblem(400, "The body is not JSON.");
    }
  }
}
