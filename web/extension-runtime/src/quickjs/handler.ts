/** What the build puts around the handler of an extension for QuickJS. */

import type { ExecuteRequest, ExecuteResponse } from "alga:extension/types";

import { cannotWait, isAsync, isPromise } from "../promises.js";
import { wellFormed } from "../well-formed.js";
import { beginCall } from "./console.js";

/**
 * Return the handler with its answer checked. QuickJS ends a call without saying why when the answer is a promise, or when
 * a string in it has a lone surrogate.
 *
 * @throws TypeError at build time when the handler is no function or is async; when called, if it returns a promise
 */
export function checked(handler: (request: ExecuteRequest) => ExecuteResponse) {
  if (typeof handler !== "function") throw new TypeError("The export `handler` is not a function.");
  if (isAsync(handler)) throw cannotWait("The exported handler is async");
  return (request: ExecuteRequest): ExecuteResponse => {
    beginCall();
    const answer: unknown = handler(request);
    if (isPromise(answer)) throw cannotWait("The handler returned a promise");
    return wellFormed(answer as ExecuteResponse);
  };
}
