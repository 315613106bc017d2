import { getContext } from "alga:extension/context";
import type { ContextData } from "alga:extension/types";

/** Return the ids of the current call: request, tenant, extension, install and version. */
export function get(): ContextData {
  return getContext();
}
