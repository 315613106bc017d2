import type { ExecuteRequest, ExecuteResponse } from "alga:extension/types";

import { onQuickJs } from "./engine.js";
import { freshenRandom } from "./fresh-random.js";
import { headerList } from "./header-fields.js";
import { HttpProblem } from "./problem.js";
import { cannotWait, isAsync, isPromise } from "./promises.js";
import { Request } from "./request.js";
import { problem, type Response } from "./response.js";

/**
 * Answers a request. Every call of the host is synchronous, so a handler needs no promise; only the engine StarlingMonkey
 * waits for one.
 */
export type Handler = (request: Request) => Response | Promise<Response>;

interface Route {
  readonly method: string;
  readonly segments: readonly string[];
  readonly handler: Handler;
}

/**
 * Finds the handler of a request by method and path (literal segments or `:name`). The first matching route is used.
 *
 *     const router = new Router().get("/notes/:id", (request) => json(find(request.param("id"))));
 *     export const handler = router.handler;
 */
export class Router {
  readonly #routes: Route[] = [];

  get(path: string, handler: Handler): this {
    return this.on("GET", path, handler);
  }

  post(path: string, handler: Handler): this {
    return this.on("POST", path, handler);
  }

  put(path: string, handler: Handler): this {
    return this.on("PUT", path, handler);
  }

  patch(path: string, handler: Handler): this {
    return this.on("PATCH", path, handler);
  }

  delete(path: string, handler: Handler): this {
    return this.on("DELETE", path, handler);
  }

  /** @throws TypeError at build time when the handler is async and the engine cannot wait */
  on(method: string, path: string, handler: Handler): this {
    if (onQuickJs() && isAsync(handler)) throw cannotWait(`The handler of ${method} ${path} is async`);
    this.#routes.push({ method, segments: path.split("/"), handler });
    return this;
  }

  /** The function that the extension exports as `handler`. */
  readonly handler = (raw: ExecuteRequest): ExecuteResponse => {
    freshenRandom(raw.context.requestId ?? "");
    const answer = this.#answer(raw);
    // The contract's type is synchronous; StarlingMonkey also takes a promise of it.
    return isPromise(answer) ? (answer.then(forHost) as unknown as ExecuteResponse) : forHost(answer);
  };

  #answer(raw: ExecuteRequest): Response | Promise<Response> {
    try {
      const answer = this.#dispatch(raw);
      return isPromise(answer) ? answer.then(undefined, asProblem) : answer;
    } catch (error) {
      return asProblem(error);
    }
  }

  #dispatch(raw: ExecuteRequest): Response | Promise<Response> {
    const request = new Request(raw);
    const segments = request.path.split("/");
    const wanted = request.method === "HEAD" ? "GET" : request.method;
    const allowed = new Set<string>();
    for (const route of this.#routes) {
      const params = match(route.segments, segments);
      if (params === undefined) continue;
      if (route.method === wanted) return route.handler(new Request(raw, params));
      allowed.add(route.method);
    }
    if (allowed.size > 0) {
      return problem(405, `This path does not support ${request.method}.`, { allow: [...allowed].join(", ") });
    }
    return problem(404, "There is nothing at this path.");
  }
}

function forHost({ status, headers, body }: Response): ExecuteResponse {
  return { status, headers: headerList(headers), body };
}

/** Any other exception is a defect of the extension: it ends the call, and the platform logs it and answers 502. */
function asProblem(error: unknown): Response {
  if (error instanceof HttpProblem) return problem(error.status, error.message);
  throw error;
}

function match(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined;
  const params: Record<string, string> = {};
  // No iterator here: every call tries every route before its own, and an iterator would take most of that time.
  for (let index = 0; index < pattern.length; index++) {
    const part = pattern[index] ?? "";
    const segment = segments[index] ?? "";
    if (!part.startsWith(":")) {
      if (part !== segment) return undefined;
    } else if (segment === "") {
      return undefined;
    } else {
      params[part.slice(1)] = decodeSegment(segment);
    }
  }
  return params;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpProblem(400, "The path is not valid percent-encoded UTF-8.");
  }
}
