import { getContext } from "alga:extension/context";
import type { ContextData } from "alga:extension/types";

/** The call in hand: request id, tenant, extension, install and version. */
export function get(): ContextData {
  return getContext();
}
